from django.db import migrations

from accounts.names import fold, skeleton

COLUMNS = {
    "folded_name": lambda user: fold(user.username),
    "name_skeleton": lambda user: skeleton(user.username),
    "folded_email": lambda user: fold(user.email) if user.email else None,
}


def fill(apps, schema_editor):
    """Give each account its compared forms; of accounts that collide, to one only.

    The first of them: administrators before others, then by age. The others keep working, by their exact
    name, and nobody new gets a name like theirs.
    """
    User = apps.get_model("accounts", "User")
    taken = {name: set() for name in COLUMNS}
    batch = []
    users = User.objects.only("id", "username", "email", "role", "created_at").order_by("created_at", "id")
    for user in sorted(users.iterator(), key=lambda user: user.role != "admin"):
        for name, compared_form in COLUMNS.items():
            value = compared_form(user)
            setattr(user, name, None if value in taken[name] else value)
            taken[name].add(value)
        batch.append(user)
    User.objects.bulk_update(batch, list(COLUMNS), batch_size=500)


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0010_compared_names'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
