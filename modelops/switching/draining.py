"""How many answers a draining switch still waits for, counted now from what web processes report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models.functions import Now

from modelops.domain.switching.states import DrainPolicy, SwitchState
from modelops.models import Switch, WebPresence
from modelops.serving.web_presence import SILENT_FOR


@dataclass(frozen=True)
class Draining:
    """`running` answers have until `deadline`; what happens then is the `policy`."""

    running: int
    deadline: datetime
    policy: DrainPolicy


def find_draining(switch: Switch) -> Draining | None:
    """None unless the switch is draining."""
    if switch.state != SwitchState.DRAINING:
        return None
    rows = WebPresence.objects.filter(seen_at__gte=Now() - SILENT_FOR).values_list("slots", flat=True)
    return Draining(
        running=sum(_count_open(slots, switch) for slots in rows),
        deadline=switch.state_since + timedelta(seconds=switch.drain_timeout_s),
        policy=DrainPolicy(switch.drain_policy),
    )


def _count_open(slots: Mapping[str, Mapping[str, int]], switch: Switch) -> int:
    return slots.get(str(switch.slot_id), {}).get("open", 0)


def count_answers(draining: Draining) -> str:
    if draining.running == 1:
        return "1 answer is still running"
    return f"{draining.running or 'no'} answers are still running"


def describe_draining(draining: Draining, now: datetime) -> str:
    """How many answers run, and what happens to those that go on for too long."""
    if draining.policy is DrainPolicy.WAIT:
        return f"{count_answers(draining)}; the switch waits for them"
    remaining_s = max(round((draining.deadline - now).total_seconds()), 0)
    when = f"in {remaining_s} s" if remaining_s else "now"
    then = "they are ended" if draining.policy is DrainPolicy.CUT else "the switch is given up"
    return f"{count_answers(draining)}; {when} {then}"
