from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0017_search_index'),
    ]

    operations = [
        migrations.AddField(
            model_name='message',
            name='error_message',
            field=models.CharField(blank=True, help_text='Why the answer failed, as its client was told.', max_length=500),
        ),
    ]
