"""The processes that run now: switchers with what they know of their box, and web processes."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from gateway.database.texts import TextsField
from gateway.ids import new_id

NOTICE = "notice"
"""Among the facts: the notice as a text that can be translated."""
HOST_MEMORY = "host_memory"
"""Among the facts: `available_bytes` and `reserve_bytes` of the machine, for engines that sleep."""


class SwitcherPresence(models.Model):
    """A running switcher and what it knows of its machine: a plan is made from this, anywhere."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    is_acting = models.BooleanField(default=False)
    box = models.CharField(max_length=255, blank=True, db_default="", help_text="As in `Slot.box`.")
    machine = models.CharField(
        max_length=255, blank=True, db_default="", help_text="As in `Slot.box_machine`."
    )
    box_host = models.CharField(max_length=255, blank=True, db_default="", help_text="As in `Slot.box_host`.")
    slots = models.JSONField(
        null=True, help_text="Ids of the slots of its box; null from a version that knew no boxes."
    )
    notice = models.TextField(blank=True, db_default="", help_text="Which slots it leaves alone, and why.")
    facts = TextsField(default=dict)

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"

    @property
    def notice_text(self) -> str:
        """The notice, to be translated; as it was stored where that was a version without templates."""
        text: str = self.facts.get(NOTICE) or self.notice
        return text


class ProcessRole(models.TextChoices):
    WEB = "web", "web process"
    SWITCHER = "switcher", "switcher"


class ProcessStarts(models.Model):
    """How many processes of a role were started, for the metrics."""

    role = models.CharField(primary_key=True, max_length=10, choices=ProcessRole)
    starts = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "process starts"

    def __str__(self) -> str:
        return self.role


class WebPresence(models.Model):
    """A running web process, which epoch of each slot it acts on, and the requests it has there."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    seen_at = models.DateTimeField(db_default=Now())
    slots = models.JSONField(
        default=dict, help_text='By slot id: {"epoch": …, "open": …, "waiting": …} (requests).'
    )
    network = models.CharField(
        max_length=255,
        blank=True,
        db_default="",
        help_text="Whoever has the same one shares its loopback address.",
    )
    reached = models.JSONField(
        null=True,
        help_text="By id of an engine that is being verified: why this process does not reach it; empty if "
        "it does. Null from a version that did not look.",
    )

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
