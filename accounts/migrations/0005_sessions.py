import django.db.models.deletion
import django.utils.timezone
import gateway.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_api_keys'),
    ]

    operations = [
        migrations.CreateModel(
            name='Session',
            fields=[
                ('id', models.UUIDField(default=gateway.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('account_version', models.PositiveIntegerField()),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('last_used_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('user_agent', models.CharField(blank=True, max_length=200)),
                ('address', models.GenericIPAddressField(blank=True, null=True)),
                ('refresh_jti', models.CharField(max_length=32)),
                ('previous_jti', models.CharField(blank=True, max_length=32)),
                ('rotated_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_reason', models.CharField(blank=True, choices=[('logout', 'Logged out'), ('revoked', 'Ended by its owner'), ('admin', 'Ended by an administrator'), ('password', 'The password changed'), ('deactivated', 'The account was deactivated'), ('reuse', 'A used refresh token came back')], max_length=12)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-last_used_at'],
                'indexes': [models.Index(fields=['user', '-last_used_at'], name='session_of_user')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('revoked_at', None), ('revoked_reason', '')), models.Q(('revoked_at__isnull', False), models.Q(('revoked_reason', ''), _negated=True)), _connector='OR'), name='session_end_has_a_reason')],
            },
        ),
    ]
