"""Slots: sets of GPUs that serve one model at a time.

`modelops.switching.placing` writes what operators say of them, the switcher all that happens in them, and web
processes that requests wait for one that rests.
"""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models.functions import Now

from gateway.database.texts import TextsField
from gateway.ids import new_id
from modelops.domain.switching.resting import RestState


class Gate(models.TextChoices):
    OPEN = "open", "open"
    CLOSED = "closed", "closed: requests wait"
    CUT = "cut", "closed, and running answers end now"


REST_CHOICES = [(state.value, state.value) for state in RestState]


class SlotQuerySet(models.QuerySet["Slot"]):
    def in_use(self) -> Self:
        """Without those that were retired."""
        return self.filter(retired_at=None)


class Slot(models.Model):
    """A set of GPUs of one box that serves one model at a time.

    Web processes act on `epoch`, `gate` and `active_engine`, which change together; `active_engine` never
    points to an engine that is being stopped. Whoever holds the lease acts for the slot, and every write of
    his names `fence`, which grows with each new holder: a holder who was away too long writes nothing.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=40, unique=True)
    box = models.CharField(
        max_length=255,
        blank=True,
        db_default="",
        help_text="Docker's engine that it runs on, or the machine where there is no Docker. Only switchers "
        "of this box act for it; empty until the first one does.",
    )
    box_machine = models.CharField(
        max_length=255,
        blank=True,
        db_default="",
        editable=False,
        help_text="The box while its Docker does not answer.",
    )
    box_host = models.CharField(
        max_length=255, blank=True, db_default="", help_text="What the box is called."
    )
    box_boot = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        editable=False,
        help_text="The start of the machine in which a switcher acted for it last.",
    )
    gpus = models.JSONField(
        default=list, blank=True, help_text="UUIDs or numbers of its cards; empty means every card."
    )
    has_gpus = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Without: for engines that need no card, as the simulated one.",
    )
    runtime = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="The only runtime that its engines may use; empty means whichever a profile names.",
    )
    desired_profile = models.CharField(
        max_length=64, blank=True, help_text="Slug of the profile to serve, and to restart when it dies."
    )
    active_engine = models.ForeignKey(
        "Engine", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    last_good_engine = models.ForeignKey(
        "Engine", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    gate = models.CharField(max_length=10, choices=Gate, default=Gate.OPEN)
    epoch = models.PositiveBigIntegerField(
        default=0, help_text="Grows with each change of gate or active engine."
    )
    rest = models.CharField(
        max_length=10,
        choices=REST_CHOICES,
        default=RestState.AWAKE.value,
        db_default=RestState.AWAKE.value,
        help_text="Whether its engine was put to sleep or stopped because nobody used it.",
    )
    wake_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="When a request came for it while it rested, or was about to."
    )
    generation = models.PositiveBigIntegerField(default=0, help_text="Number of the last engine started.")
    problem = TextsField(null=True, blank=True, help_text="Root cause while nothing serves as asked.")
    failed_restarts = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    replica_problem = TextsField(null=True, blank=True, help_text="Root cause while a replica is missing.")
    failed_replicas = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Replicas that failed in a row."
    )
    replica_retry_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(db_default=Now())

    retiring_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Since then it takes no switch: its engine is ended, then it is retired.",
    )
    retired_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Since then nothing serves in it; its history stays.",
    )

    lease_holder = models.CharField(max_length=200, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    fence = models.PositiveBigIntegerField(default=0, editable=False)

    objects = SlotQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug
