"""What accounts used, per day."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

NO_KEY = uuid.UUID(int=0)
"""In place of the id of an API key, where a session asked."""
MAX_MODEL_LABEL = 255
MAX_ENDPOINT = 40


class DailyUsage(models.Model):
    """What an account asked of one model in one day (UTC), with one key, also where nothing else is stored.

    Rows from before models were counted have an empty `model`, as have requests that reached none.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="daily_usage")
    day = models.DateField(db_index=True)
    model = models.CharField(max_length=MAX_MODEL_LABEL, blank=True, default="")
    key_id = models.UUIDField(default=NO_KEY, help_text="Of the API key, which may be gone by now.")
    endpoint = models.CharField(max_length=MAX_ENDPOINT, blank=True, default="")
    requests = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    cancelled = models.PositiveBigIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    estimated_tokens = models.PositiveBigIntegerField(default=0)
    latency_ms = models.PositiveBigIntegerField(default=0)
    latency_count = models.PositiveBigIntegerField(default=0)
    ttft_ms = models.PositiveBigIntegerField(default=0)
    ttft_count = models.PositiveBigIntegerField(default=0)
    cost_micros = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["-day", "user"]
        verbose_name_plural = "daily usage"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "day", "model", "key_id", "endpoint"], name="daily_usage_once_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.day}"
