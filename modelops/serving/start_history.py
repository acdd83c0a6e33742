"""What earlier starts tell of the next one: how long it takes, and whether one is to be expected."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from statistics import median

from modelops.domain.switching.plan import PlanKind
from modelops.domain.switching.states import SwitchState
from modelops.models import Engine, EngineState, Switch

TYPICAL_TIME_STARTS = 5
"""How many of the last good starts the typical time is the median of."""


@dataclass(frozen=True)
class Restart:
    """An engine that served ended, and is about to be started again."""

    typical_seconds: float | None = None
    """How long earlier starts of the profile took, in the median."""


def find_restart(slot_id: uuid.UUID, profile: str) -> Restart | None:
    """Of a slot that should serve the profile and has a problem; None where the last start failed."""
    ended = Switch.objects.filter(slot=slot_id, ended_at__isnull=False).exclude(state=SwitchState.CANCELLED)
    last = ended.order_by("-ended_at", "-id").values_list("state", flat=True).first()
    served = last in (SwitchState.ACTIVE, SwitchState.ROLLED_BACK)
    return Restart(find_typical_seconds(profile)) if served else None


def find_typical_seconds(profile: str) -> float | None:
    """The median of the profile's last good starts, from its container's start to ready."""
    starts = Engine.objects.filter(profile=profile, ready_at__isnull=False).order_by("-created_at")
    seconds = [
        sum(float(value) for value in phases.values())
        for phases in starts.values_list("phase_seconds", flat=True)[:TYPICAL_TIME_STARTS]
        if phases
    ]
    return round(median(seconds), 1) if seconds else None


WAKING_STATES = (SwitchState.STARTING, SwitchState.LOADING, SwitchState.VERIFYING)


def find_wake_seconds(engine: Engine) -> float | None:
    """How long it usually takes until an engine that sleeps, or has ended, serves again."""
    if engine.state == EngineState.ASLEEP:
        return find_typical_wake_seconds(engine.profile)
    return find_typical_seconds(engine.profile)


def find_typical_wake_seconds(profile: str) -> float | None:
    """The median of the last times that the profile's engine was woken from sleep, until it served."""
    woken = Switch.objects.filter(to_profile=profile, state=SwitchState.ACTIVE, plan__kind=PlanKind.WAKE)
    rows = woken.order_by("-ended_at").values_list("state_seconds", flat=True)[:TYPICAL_TIME_STARTS]
    seconds = [sum(spent.get(state, 0.0) for state in WAKING_STATES) for spent in rows]
    return round(median(seconds), 1) if seconds else None


def find_weights_bytes(engine: Engine) -> int | None:
    """Of all its cards together: as its log told, else as its profile said; None where neither did."""
    measured: int | None = (engine.actual or {}).get("weights_bytes")
    if measured:
        # What was measured is per card.
        return measured * max(1, len(engine.gpus))
    told: int | None = engine.spec.get("weights_bytes")
    return told
