"""Slots, the engines that ran in them, the switches between these, and what every switch went through.

Only the switcher writes slots and engines; a face inserts a switch or asks for one to be cancelled.
"""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from gateway.ids import new_id
from modelops.domain.switching.states import ACTING_STATES, LIVE_STATES, DrainPolicy, SwitchState


def _choices(enum: type[SwitchState] | type[DrainPolicy]) -> list[tuple[str, str]]:
    return [(member.value, member.value.replace("_", " ")) for member in enum]


class Gate(models.TextChoices):
    OPEN = "open", "open"
    CLOSED = "closed", "closed: requests wait"
    CUT = "cut", "closed, and running answers end now"


class Slot(models.Model):
    """A set of GPUs that serves one model at a time.

    Web processes act on `epoch`, `gate` and `active_engine`, which change together; `active_engine` never
    points to an engine that is being stopped. Whoever holds the lease acts for the slot, and every write of
    his names `fence`, which grows with each new holder: a holder who was away too long writes nothing.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=40, unique=True)
    gpus = models.JSONField(
        default=list, blank=True, help_text="UUIDs or numbers of its cards; empty means every card."
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
    generation = models.PositiveBigIntegerField(default=0, help_text="Number of the last engine started.")
    problem = models.JSONField(null=True, blank=True, help_text="Root cause while nothing serves as asked.")
    failed_restarts = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(db_default=Now())

    lease_holder = models.CharField(max_length=200, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    fence = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug


class EngineState(models.TextChoices):
    STARTING = "starting", "starting"
    SERVING = "serving", "serving"
    ASLEEP = "asleep", "asleep"
    ENDED = "ended", "ended"


class Engine(models.Model):
    """One start of one engine: exactly what was run, how it went, and what it turned out to need."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="engines")
    generation = models.PositiveBigIntegerField()
    name = models.CharField(max_length=100, unique=True, help_text="Of the container or process.")
    state = models.CharField(max_length=10, choices=EngineState, default=EngineState.STARTING)

    profile = models.CharField(max_length=64, db_index=True)
    spec = models.JSONField(help_text="The profile's settings as they were.")
    model_name = models.CharField(max_length=128, help_text="What requests to this engine must name.")
    names = models.JSONField(default=list, help_text="Names that clients may use for it.")
    runtime = models.CharField(max_length=20)
    arguments = models.JSONField(default=list)
    environment = models.JSONField(default=dict)
    image = models.CharField(max_length=255, blank=True)
    image_digest = models.CharField(max_length=255, blank=True)
    gpus = models.JSONField(default=list, help_text="UUIDs of its cards.")
    gpu_name = models.CharField(max_length=100, blank=True)
    reference = models.CharField(max_length=100, blank=True)
    base_url = models.CharField(max_length=200, blank=True)

    created_at = models.DateTimeField(db_default=Now())
    ready_at = models.DateTimeField(null=True, blank=True)
    asked_to_stop_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    end_reason = models.TextField(blank=True)

    max_model_len = models.PositiveIntegerField(null=True, blank=True)
    cards = models.JSONField(default=list, help_text="Its /v1/models.")
    phase_seconds = models.JSONField(default=dict)
    estimate = models.JSONField(null=True, blank=True, help_text="What the fit check expected, in bytes.")
    actual = models.JSONField(null=True, blank=True, help_text="What its log told, in bytes.")

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["slot", "generation"], name="engine_generation_is_unique"),
            models.UniqueConstraint(
                fields=["slot"], condition=models.Q(state="serving"), name="engine_one_serves_a_slot"
            ),
        ]
        indexes = [models.Index(fields=["profile", "-created_at"], name="engine_history")]

    def __str__(self) -> str:
        return self.name


class SwitchQuerySet(models.QuerySet["Switch"]):
    def live(self) -> Self:
        return self.filter(state__in=LIVE_STATES)

    def acting(self) -> Self:
        return self.filter(state__in=ACTING_STATES)

    def waiting(self) -> Self:
        return self.filter(state=SwitchState.REQUESTED)


class Switch(models.Model):
    """One change of what a slot serves, from the request to its end."""

    class Via(models.TextChoices):
        API = "api", "API"
        ADMIN = "admin", "admin pages"
        COMMAND = "command", "command line"
        CHAT = "chat", "a chat request"
        SYSTEM = "system", "the switcher itself"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="switches")
    from_profile = models.CharField(max_length=64, blank=True)
    to_profile = models.CharField(max_length=64)
    state = models.CharField(
        max_length=20, choices=_choices(SwitchState), default=SwitchState.REQUESTED, db_index=True
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(max_length=150, blank=True, help_text="Stays when the user is deleted.")
    via = models.CharField(max_length=10, choices=Via)
    reason = models.CharField(max_length=500, blank=True)
    force = models.BooleanField(default=False, help_text="Go on although the fit check says no.")
    drain_timeout_s = models.PositiveIntegerField(help_text="Seconds that running answers get.")
    drain_policy = models.CharField(max_length=10, choices=_choices(DrainPolicy))

    plan = models.JSONField(null=True, blank=True)
    recipe = models.JSONField(
        null=True, blank=True, editable=False, help_text="The accepted plan as the values of an engine row."
    )
    phase = models.CharField(max_length=20, blank=True, help_text="Of the engine's start-up.")
    detail = models.CharField(max_length=300, blank=True, help_text="What is going on, in words.")
    percent = models.PositiveSmallIntegerField(null=True, blank=True)
    ready_expected_at = models.DateTimeField(null=True, blank=True)
    state_seconds = models.JSONField(default=dict, help_text="Time spent in each state so far.")

    old_engine = models.ForeignKey(Engine, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    new_engine = models.ForeignKey(Engine, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    restored_engine = models.ForeignKey(
        Engine, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Starts of the new engine so far.")
    max_model_len = models.PositiveIntegerField(
        null=True, blank=True, help_text="The shorter context of an automatic retry."
    )
    root_cause = models.JSONField(null=True, blank=True)
    restore_cause = models.JSONField(
        null=True, blank=True, help_text="Why what served before could not be restored."
    )
    log_tail = models.TextField(blank=True, help_text="The end of the failed engine's log.")

    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.CharField(max_length=150, blank=True)
    superseded_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="supersedes"
    )
    created_at = models.DateTimeField(db_default=Now())
    state_since = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = SwitchQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "switches"
        constraints = [
            models.UniqueConstraint(
                fields=["slot"],
                condition=models.Q(state__in=ACTING_STATES),
                name="switch_one_acts_on_a_slot",
            ),
            models.UniqueConstraint(
                fields=["slot"],
                condition=models.Q(state=SwitchState.REQUESTED),
                name="switch_one_waits_for_a_slot",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=list(SwitchState)), name="switch_state_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=LIVE_STATES, ended_at__isnull=True)
                | (~models.Q(state__in=LIVE_STATES) & models.Q(ended_at__isnull=False)),
                name="switch_ended_when_final",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_profile or 'nothing'} → {self.to_profile}"

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_STATES


class SwitchEvent(models.Model):
    """One thing that happened; append-only. Ids grow, so they serve as `Last-Event-ID`."""

    class Kind(models.TextChoices):
        STATE = "state", "state"
        PROGRESS = "progress", "progress"
        NOTE = "note", "note"

    id = models.BigAutoField(primary_key=True)
    switch = models.ForeignKey(Switch, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=20, choices=_choices(SwitchState))
    message = models.CharField(max_length=500, blank=True)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.state}: {self.message}"


class EngineLog(models.Model):
    """Pieces of an engine's log; `modelops.switcher` keeps the newest of each engine."""

    id = models.BigAutoField(primary_key=True)
    engine = models.ForeignKey(Engine, on_delete=models.CASCADE, related_name="log")
    at = models.DateTimeField(db_default=Now())
    text = models.TextField(help_text="Whole lines.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"log of {self.engine_id}"


class SwitcherPresence(models.Model):
    """A running switcher and what it knows of its machine: a plan is made from this, anywhere."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    is_acting = models.BooleanField(default=False)
    facts = models.JSONField(default=dict)

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class WebPresence(models.Model):
    """A running web process, which epoch of each slot it acts on, and the requests it has there."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    seen_at = models.DateTimeField(db_default=Now())
    slots = models.JSONField(
        default=dict, help_text='By slot id: {"epoch": …, "open": …, "waiting": …} (requests).'
    )

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
