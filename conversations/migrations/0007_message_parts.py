from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0006_organising'),
    ]

    operations = [
        migrations.AddField(
            model_name='message',
            name='omitted_messages',
            field=models.PositiveIntegerField(default=0, help_text='Messages of its branch that the prompt left out, as they did not fit.'),
        ),
        migrations.AddField(
            model_name='message',
            name='parts',
            field=models.JSONField(blank=True, help_text='Of a message that is more than a text: its texts, images and files in order.', null=True),
        ),
        migrations.AddField(
            model_name='message',
            name='tool_call_id',
            field=models.CharField(blank=True, help_text="Of a tool's message: the call that it answers.", max_length=200),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('parts__isnull', False)), fields=['owner'], name='message_with_parts'),
        ),
    ]
