"""How busy engines were, one row a sample."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from modelops.models.slots import Slot


class EngineLoad(models.Model):
    """What a slot's engine did between two looks at its metrics. The switcher writes these, and keeps those
    of the last hour."""

    id = models.BigAutoField(primary_key=True)
    slot = models.ForeignKey(Slot, on_delete=models.CASCADE, related_name="loads")
    at = models.DateTimeField(db_default=Now())
    profile = models.CharField(max_length=64, blank=True, help_text="What it served; empty if unknown.")
    running = models.PositiveIntegerField()
    waiting = models.PositiveIntegerField()
    kv_cache_usage = models.FloatField(null=True, blank=True, help_text="Between 0 and 1.")
    prompt_tokens_per_s = models.FloatField(null=True, blank=True)
    generation_tokens_per_s = models.FloatField(null=True, blank=True)
    first_token_s = models.FloatField(null=True, blank=True, help_text="In the mean; empty without requests.")

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["slot", "-at"], name="engine_load_of_slot")]

    def __str__(self) -> str:
        return f"{self.slot_id}: {self.running} running, {self.waiting} waiting"
