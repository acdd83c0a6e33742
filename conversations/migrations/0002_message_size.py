from django.db import migrations, models

import conversations.models


class Migration(migrations.Migration):
    """The database measures each message itself. On PostgreSQL this rewrites the table of messages once."""

    dependencies = [("conversations", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="message",
            name="size_bytes",
            field=models.GeneratedField(
                db_persist=True,
                expression=conversations.models.OctetLength("content")
                + conversations.models.OctetLength("reasoning"),
                output_field=models.IntegerField(),
            ),
        ),
    ]
