import django.db.models.deletion
import django.utils.timezone
import gateway.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('conversations', '0010_feedback'),
    ]

    operations = [
        migrations.CreateModel(
            name='SavedPrompt',
            fields=[
                ('id', models.UUIDField(default=gateway.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('title', models.CharField(max_length=100)),
                ('content', models.TextField(max_length=32000)),
                ('is_shared', models.BooleanField(default=False, help_text='Everybody may read and use it.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['title', 'id'],
            },
        ),
        migrations.AddField(
            model_name='savedprompt',
            name='owner',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='saved_prompts', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='savedprompt',
            index=models.Index(condition=models.Q(('is_shared', True)), fields=['title', 'id'], name='prompt_shared'),
        ),
        migrations.AddConstraint(
            model_name='savedprompt',
            constraint=models.UniqueConstraint(fields=('owner', 'title'), name='prompt_title_unique_per_owner'),
        ),
    ]
