import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('conversations', '0009_files'),
    ]

    operations = [
        migrations.CreateModel(
            name='Feedback',
            fields=[
                ('message', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='feedback', serialize=False, to='conversations.message')),
                ('rating', models.SmallIntegerField(choices=[(1, 'Good'), (-1, 'Bad')])),
                ('reason', models.CharField(blank=True, max_length=50)),
                ('comment', models.TextField(blank=True, max_length=4000)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name_plural': 'feedback',
                'ordering': ['-updated_at', '-message_id'],
            },
        ),
        migrations.AddField(
            model_name='feedback',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='feedback', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='feedback',
            index=models.Index(fields=['-updated_at', '-message'], name='feedback_by_age'),
        ),
        migrations.AddConstraint(
            model_name='feedback',
            constraint=models.CheckConstraint(condition=models.Q(('rating__in', [1, -1])), name='feedback_rating'),
        ),
    ]
