"""Requests to have a profile's image and weights on a box before anybody switches to it.

Whoever asks inserts a row, or sets that it is to be cancelled; the switcher writes the rest.
"""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy

from gateway.database.texts import TextsField
from gateway.ids import new_id
from modelops.models.slots import Slot


class PreloadState(models.TextChoices):
    WAITING = "waiting", gettext_lazy("waiting")
    FETCHING = "fetching", gettext_lazy("fetching")
    DONE = "done", gettext_lazy("done")
    FAILED = "failed", gettext_lazy("failed")
    CANCELLED = "cancelled", gettext_lazy("cancelled")


UNFINISHED = (PreloadState.WAITING, PreloadState.FETCHING)


class PreloadQuerySet(models.QuerySet["Preload"]):
    def unfinished(self) -> Self:
        return self.filter(state__in=UNFINISHED)


class Preload(models.Model):
    """One profile that is fetched ahead for one slot, from the request to its end."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slot = models.ForeignKey(Slot, on_delete=models.CASCADE, related_name="preloads")
    profile = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=PreloadState, default=PreloadState.WAITING)
    progress = TextsField(
        null=True, blank=True, help_text="What is being fetched: what, done_bytes, total_bytes."
    )
    cause = TextsField(null=True, blank=True, help_text="Why it failed.")
    actor_name = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = PreloadQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["slot", "profile"],
                condition=models.Q(state__in=UNFINISHED),
                name="preload_one_unfinished",
            ),
        ]

    def __str__(self) -> str:
        return self.profile

    @property
    def is_finished(self) -> bool:
        return self.state not in UNFINISHED
