"""Switches of what a slot serves, and every event of each.

Whoever asks for a switch inserts its row or sets that it is to be cancelled; the switcher writes the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from gateway.database.texts import TextsField, choose_text
from gateway.ids import new_id
from gateway.wording import FilledText, Translatable, fill_in
from modelops.domain.switching.states import ACTING_STATES, LIVE_STATES, DrainPolicy, SwitchState
from modelops.models.engines import Engine
from modelops.models.slots import Slot

LONGEST_MESSAGE = 500
MESSAGE = "message_text"
"""Among an event's data: its message as a text that can be translated."""
REQUEST_ID = "request_id"
"""Among the texts of a request: its id."""
STARTED_AGAIN: Translatable = "again: {problem}"
"""The reason of a switch by which the switcher starts again what has failed."""


def _choices(enum: type[SwitchState] | type[DrainPolicy]) -> list[tuple[str, str]]:
    return [(member.value, member.value.replace("_", " ")) for member in enum]


class SwitchQuerySet(models.QuerySet["Switch"]):
    def live(self) -> Self:
        return self.filter(state__in=LIVE_STATES)

    def started_again(self) -> Self:
        beginning = STARTED_AGAIN.partition("{")[0]
        return self.filter(via=Switch.Via.SYSTEM, reason__startswith=beginning)

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
        SCHEDULE = "schedule", "the schedule"

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

    plan = TextsField(null=True, blank=True)
    recipe = models.JSONField(
        null=True, blank=True, editable=False, help_text="The accepted plan as the values of an engine row."
    )
    phase = models.CharField(max_length=20, blank=True, help_text="Of the engine's start-up.")
    detail = models.CharField(max_length=300, blank=True, help_text="What is going on, in words.")
    detail_text = TextsField(null=True, editable=False, help_text="The detail with its template.")
    request_texts = TextsField(
        null=True, editable=False, help_text="Reason and who cancelled with their templates."
    )
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
    root_cause = TextsField(null=True, blank=True)
    restore_cause = TextsField(
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
        source = self.from_profile or fill_in("nothing")
        return fill_in("{source} → {target}", source=source, target=self.to_profile)

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_STATES

    @property
    def request_id(self) -> str:
        """Of the request that asked for it, for log lines; empty where none did."""
        return str((self.request_texts or {}).get(REQUEST_ID, ""))

    def get_text(self, column: str) -> str:
        """What a column says, as a text that can be translated where its template was kept."""
        kept = self.detail_text if column == "detail" else self.request_texts
        return choose_text(getattr(self, column), (kept or {}).get(column))


class SwitchEventQuerySet(models.QuerySet["SwitchEvent"]):
    def record(
        self,
        switch: Switch,
        *,
        kind: str,
        message: str,
        state: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> SwitchEvent:
        """One more event of the switch; the template of its message is kept beside it."""
        kept = {MESSAGE: message} if isinstance(message, FilledText) else {}
        return self.create(
            switch=switch,
            kind=kind,
            state=state or switch.state,
            message=str(message)[:LONGEST_MESSAGE],
            data={**(data or {}), **kept},
        )


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
    message = models.CharField(max_length=LONGEST_MESSAGE, blank=True)
    data = TextsField(default=dict)

    objects = SwitchEventQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.state}: {self.message}"

    @property
    def said(self) -> str:
        """The message, to be translated."""
        return choose_text(self.message, self.data.get(MESSAGE))
