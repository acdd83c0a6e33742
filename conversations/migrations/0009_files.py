import django.db.models.deletion
import django.utils.timezone
import gateway.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('conversations', '0008_shared_links'),
    ]

    operations = [
        migrations.CreateModel(
            name='StoredFile',
            fields=[
                ('id', models.UUIDField(default=gateway.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('sha256', models.CharField(editable=False, max_length=64)),
                ('kind', models.CharField(choices=[('image', 'Image'), ('document', 'Document')], editable=False, max_length=10)),
                ('media_type', models.CharField(editable=False, max_length=100)),
                ('name', models.CharField(blank=True, help_text='As it was first uploaded.', max_length=255)),
                ('size_bytes', models.PositiveIntegerField(editable=False)),
                ('text', models.TextField(blank=True, editable=False, help_text='Of a document, as prompts hold it.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='storedfile',
            name='owner',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='files', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='storedfile',
            constraint=models.UniqueConstraint(fields=('owner', 'sha256'), name='file_stored_once_per_owner'),
        ),
    ]
