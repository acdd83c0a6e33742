import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0005_folders'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='conversation',
            name='conversation_of_owner_by_age',
        ),
        migrations.AddField(
            model_name='conversation',
            name='import_key',
            field=models.CharField(blank=True, editable=False, help_text='Of the conversation in the file that it was imported from.', max_length=64, null=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='is_pinned',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='conversation',
            name='title_source',
            field=models.CharField(choices=[('first', 'The beginning of the first message'), ('model', 'A model'), ('user', 'Its owner')], default='first', editable=False, max_length=10),
        ),
        migrations.AddField(
            model_name='conversation',
            name='folder',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='conversations', to='conversations.folder'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True)), fields=['owner', 'is_archived', '-updated_at', '-id'], name='conversation_of_owner'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), ('is_pinned', True)), fields=['owner', 'is_archived', '-updated_at', '-id'], name='conversation_pinned'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), ('folder__isnull', False)), fields=['folder', 'is_archived', '-updated_at', '-id'], name='conversation_in_folder'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('deleted_at__isnull', False)), fields=['owner', '-deleted_at', '-id'], name='conversation_deleted'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.UniqueConstraint(condition=models.Q(('import_key__isnull', False)), fields=('owner', 'import_key'), name='conversation_imported_once'),
        ),
    ]
