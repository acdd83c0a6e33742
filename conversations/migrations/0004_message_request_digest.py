from django.db import migrations, models


class Migration(migrations.Migration):
    """By what a repeat is told from another request with the same client_message_id."""

    dependencies = [("conversations", "0003_indexes_of_sizes")]

    operations = [
        migrations.AddField(
            model_name="message",
            name="request_digest",
            field=models.CharField(
                blank=True,
                editable=False,
                help_text="Of what the request with this client_message_id asked for.",
                max_length=65,
            ),
        ),
    ]
