import accounts.models.limits
import django.core.validators
import django.db.models.deletion
import gateway.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_sessions'),
    ]

    operations = [
        migrations.CreateModel(
            name='DailyUsage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(db_index=True)),
                ('requests', models.PositiveBigIntegerField(default=0)),
                ('prompt_tokens', models.PositiveBigIntegerField(default=0)),
                ('completion_tokens', models.PositiveBigIntegerField(default=0)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='daily_usage', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'daily usage',
                'ordering': ['-day', 'user'],
                'constraints': [models.UniqueConstraint(fields=('user', 'day'), name='daily_usage_once')],
            },
        ),
        migrations.CreateModel(
            name='Limit',
            fields=[
                ('id', models.UUIDField(default=gateway.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('requests', 'Requests per window'), ('tokens', 'Tokens per window'), ('streams', 'Answers at a time')], max_length=10)),
                ('subject', models.CharField(choices=[('default', 'Everybody'), ('role', 'A role'), ('user', 'An account'), ('key', 'An API key'), ('address', 'An address, without a credential')], max_length=10)),
                ('role', models.CharField(blank=True, choices=[('user', 'User'), ('admin', 'Admin')], max_length=10)),
                ('network', models.CharField(blank=True, help_text='For an address: a network such as 10.0.0.0/8; empty: every address.', max_length=43, validators=[accounts.models.limits.validate_network])),
                ('value', models.PositiveBigIntegerField(help_text='At most this many; 0: no limit.', validators=[django.core.validators.MaxValueValidator(1000000000000)])),
                ('window_s', models.PositiveIntegerField(blank=True, help_text='For requests and tokens; answers at a time have none.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(2678400)], verbose_name='window, in seconds')),
                ('updated_at', models.DateTimeField(auto_now=True, db_index=True)),
                ('api_key', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='limits', to='accounts.apikey', verbose_name='API key')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='limits', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['subject', 'kind', 'id'],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('subject', 'default'), ('role', ''), ('user', None), ('api_key', None), ('network', '')), models.Q(('subject', 'role'), models.Q(('role', ''), _negated=True), ('user', None), ('api_key', None), ('network', '')), models.Q(('subject', 'user'), ('role', ''), models.Q(('user', None), _negated=True), ('api_key', None), ('network', '')), models.Q(('subject', 'key'), ('role', ''), ('user', None), models.Q(('api_key', None), _negated=True), ('network', '')), models.Q(('api_key', None), ('role', ''), ('subject', 'address'), ('user', None)), _connector='OR'), name='limit_names_its_subject', violation_error_message='Fill in what the subject says (role, account, API key or network), and nothing else.'), models.CheckConstraint(condition=models.Q(models.Q(('kind', 'streams'), ('window_s', None)), models.Q(('kind__in', ['requests', 'tokens']), ('window_s__gte', 1), ('window_s__isnull', False), ('window_s__lte', 2678400)), _connector='OR'), name='limit_has_a_window', violation_error_message='Requests and tokens need a window; answers at a time have none.'), models.CheckConstraint(condition=models.Q(models.Q(('subject', 'address'), _negated=True), ('kind', 'requests'), _connector='OR'), name='limit_of_an_address_is_of_requests', violation_error_message='An address is limited by its requests only.'), models.CheckConstraint(condition=models.Q(('value__gte', 0), ('value__lte', 1000000000000)), name='limit_value_in_range'), models.UniqueConstraint(condition=models.Q(('subject', 'default')), fields=('kind',), name='limit_default_once'), models.UniqueConstraint(condition=models.Q(('subject', 'role')), fields=('kind', 'role'), name='limit_of_role_once'), models.UniqueConstraint(condition=models.Q(('subject', 'user')), fields=('kind', 'user'), name='limit_of_user_once'), models.UniqueConstraint(condition=models.Q(('subject', 'key')), fields=('kind', 'api_key'), name='limit_of_key_once'), models.UniqueConstraint(condition=models.Q(('subject', 'address')), fields=('kind', 'network'), name='limit_of_address_once')],
            },
        ),
    ]
