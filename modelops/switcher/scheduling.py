"""Follows the windows of one slot: asks for the switches that its schedule says, as anybody else would."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from gateway.errors import GatewayError
from gateway.wording import FilledText, fill_in
from modelops.domain.switching.request import SwitchRequest
from modelops.domain.switching.schedule import (
    Edge,
    ScheduleObservation,
    ScheduleStep,
    find_last_edge,
    next_schedule_step,
)
from modelops.models import ScheduleWindow, Slot, SlotSchedule, Switch
from modelops.switcher.ledger import Ledger
from modelops.switching.actor import Actor
from modelops.switching.requests import request_switch

log = structlog.get_logger()

LOOK_PERIOD_S = 2.0
REFUSED_PERIOD_S = 10.0
"""How often an edge that was refused is tried again, as long as it is the last one."""
ACTOR = "schedule"


class Scheduler:
    """Acts for one slot; only the lease's holder makes any call."""

    def __init__(self, ledger: Ledger, *, clock: Callable[[], datetime] = timezone.now) -> None:
        self._ledger = ledger
        self._clock = clock
        self._look_at = 0.0

    def tick(self, slot: Slot) -> None:
        """Carry the last edge out, once. Raises LeaseLost."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_PERIOD_S
        rows = {str(row.pk): row for row in ScheduleWindow.objects.filter(slot=slot, is_active=True)}
        schedule = SlotSchedule.objects.filter(slot=slot).first()
        if not rows and (schedule is None or not schedule.done_key):
            return
        schedule = schedule or SlotSchedule(slot=slot)
        edge = find_last_edge([row.to_window() for row in rows.values()], self._clock())
        step = next_schedule_step(
            ScheduleObservation(
                edge=edge,
                done=schedule.done_key,
                desired_profile=slot.desired_profile,
                usual_profile=schedule.usual_profile,
                switched_at=_find_last_wish(slot),
            )
        )
        if step is None:
            return
        row = rows.get(edge.window.id) if edge is not None and edge.window is not None else None
        try:
            self._carry_out(slot, schedule, step, edge, row)
        except GatewayError as exc:
            self._look_at = now + REFUSED_PERIOD_S
            self._note_refusal(schedule, exc)

    def _carry_out(
        self,
        slot: Slot,
        schedule: SlotSchedule,
        step: ScheduleStep,
        edge: Edge | None,
        row: ScheduleWindow | None,
    ) -> None:
        """In one transaction: an edge is on record with its switch, or neither is."""
        schedule.done_key, schedule.usual_profile, schedule.problem = step.key, step.usual_profile, None
        with transaction.atomic():
            # The fence first: nothing is asked for by one who no longer acts.
            self._ledger.update_slot()
            schedule.save()
            if step.profile and _is_needed(slot, step.profile):
                request_switch(
                    SwitchRequest(
                        step.profile,
                        slot=slot.slug,
                        reason=_describe_reason(edge),
                        drain_timeout_s=row.drain_timeout_s if row else None,
                        drain_policy=(row.drain_policy or None) if row else None,
                    ),
                    Actor(Switch.Via.SCHEDULE, None, ACTOR),
                )
        log.info("schedule_followed", slot=slot.slug, edge=step.key, profile=step.profile or None)

    def _note_refusal(self, schedule: SlotSchedule, error: GatewayError) -> None:
        """What is on record of the edge stays: it is tried again."""
        log.warning("schedule_refused", slot=schedule.slot.slug, error=error.code, problem=error.message)
        problem = {"message": error.wording}
        with transaction.atomic():
            self._ledger.update_slot()
            SlotSchedule.objects.update_or_create(slot=schedule.slot, defaults={"problem": problem})


def _is_needed(slot: Slot, profile: str) -> bool:
    """Not where the slot should serve it already: one that rests is not woken for it."""
    return slot.desired_profile != profile or slot.switches.live().exists()


def _find_last_wish(slot: Slot) -> datetime | None:
    """When somebody asked for a switch last, who is neither the schedule nor the switcher."""
    own = (Switch.Via.SCHEDULE, Switch.Via.SYSTEM)
    last: datetime | None = slot.switches.exclude(via__in=own).aggregate(last=Max("created_at"))["last"]
    return last


def _describe_reason(edge: Edge | None) -> FilledText:
    if edge is None or edge.window is None:
        return fill_in("the window of the schedule is over")
    return fill_in("the window “{name}” of the schedule has begun", name=edge.window.name)
