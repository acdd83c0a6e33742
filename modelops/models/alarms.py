"""The desk's alarms that are, or were, to be told by a webhook."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from gateway.database.texts import TextsField
from gateway.ids import new_id


class RaisedAlarm(models.Model):
    """One alarm from its beginning to its end. `modelops.alerting.ledger` writes it.

    It is kept so that each is told once, whichever switcher saw it begin and however often switchers restart.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.CharField(max_length=255, help_text="Its code and what it is about.")
    code = models.CharField(max_length=64)
    level = models.CharField(max_length=8)
    texts = TextsField(help_text="What is wrong and what to do: message, advice.")
    began_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    begin_told_at = models.DateTimeField(null=True, blank=True)
    end_told_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then one switcher is about to tell it, and no other does."
    )

    class Meta:
        ordering = ["began_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=models.Q(ended_at__isnull=True), name="alarm_one_open_per_key"
            ),
        ]

    def __str__(self) -> str:
        return self.key
