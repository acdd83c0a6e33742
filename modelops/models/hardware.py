"""What the GPUs were seen doing, one row a reading."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.utils import timezone

from gateway.database.texts import TextsField
from gateway.ids import new_id
from gateway.wording import fill_in


class HardwareSampleQuerySet(models.QuerySet["HardwareSample"]):
    def on_host(self, host: str) -> Self:
        return self.filter(host=host)

    def taken_since(self, moment: datetime) -> Self:
        return self.filter(taken_at__gte=moment)

    def newest_first(self) -> Self:
        """Ids break ties: they are time-ordered."""
        return self.order_by("-taken_at", "-id")

    def beyond(self, *, newest: int, oldest: datetime) -> Self:
        """What a history of the `newest` rows, none older than `oldest`, has no room for."""
        kept = self.newest_first().filter(taken_at__gte=oldest).values("id")[:newest]
        return self.exclude(id__in=kept)


class HardwareSample(models.Model):
    """One reading of one host's GPUs. `modelops.hardware.sampling` writes these and bounds their number."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    taken_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    host = models.CharField(max_length=255, editable=False, help_text="Name of the machine with the GPUs.")
    reading = TextsField(editable=False, help_text="The reading, as modelops.hardware wrote it.")

    objects = HardwareSampleQuerySet.as_manager()

    class Meta:
        ordering = ["-taken_at", "-id"]
        verbose_name = "hardware sample"
        verbose_name_plural = "hardware"

    def __str__(self) -> str:
        return fill_in("GPUs of {host} at {at}", host=self.host, at=f"{self.taken_at:%Y-%m-%d %H:%M:%S}")
