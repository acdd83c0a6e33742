"""How many answers a draining switch still waits for, counted now from what web processes report."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models.functions import Now

from gateway.wording import fill_in
from modelops.domain.switching.states import DrainPolicy, SwitchState
from modelops.models import Switch, WebPresence
from modelops.serving.web_presence import SILENT_FOR

Reports = Sequence[Mapping[str, Mapping[str, int]]]
"""For each web process what it has open, by the id of the slot."""


@dataclass(frozen=True)
class Draining:
    """`running` answers have until `deadline`; what happens then is the `policy`."""

    running: int
    deadline: datetime
    policy: DrainPolicy


def find_draining(switch: Switch, reports: Reports | None = None) -> Draining | None:
    """None unless the switch is draining."""
    if switch.state != SwitchState.DRAINING:
        return None
    return Draining(
        running=count_requests(switch.slot_id, reports).running,
        deadline=switch.state_since + timedelta(seconds=switch.drain_timeout_s),
        policy=DrainPolicy(switch.drain_policy),
    )


@dataclass(frozen=True)
class OpenRequests:
    """What web processes have for a slot: answers that run, and requests that wait for its model."""

    running: int
    waiting: int


def count_requests(slot_id: uuid.UUID, reports: Reports | None = None) -> OpenRequests:
    """As the processes reported it last, at most a few seconds ago; a query unless the reports are given."""
    told = list_reports() if reports is None else reports
    counts = [slots.get(str(slot_id), {}) for slots in told]
    return OpenRequests(
        running=sum(each.get("open", 0) for each in counts),
        waiting=sum(each.get("waiting", 0) for each in counts),
    )


def list_reports() -> Reports:
    """Of each web process that lives."""
    return list(WebPresence.objects.filter(seen_at__gte=Now() - SILENT_FOR).values_list("slots", flat=True))


def count_answers(draining: Draining) -> str:
    if draining.running == 0:
        return fill_in("no answers are still running")
    if draining.running == 1:
        return fill_in("1 answer is still running")
    return fill_in("{count} answers are still running", count=draining.running)


def describe_draining(draining: Draining, now: datetime) -> str:
    """How many answers run, and what happens to those that go on for too long."""
    if draining.policy is DrainPolicy.WAIT:
        return fill_in("{answers}; the switch waits for them", answers=count_answers(draining))
    remaining_s = max(round((draining.deadline - now).total_seconds()), 0)
    when = fill_in("in {seconds} s", seconds=remaining_s) if remaining_s else fill_in("now")
    if draining.policy is DrainPolicy.CUT:
        return fill_in("{answers}; {when} they are ended", answers=count_answers(draining), when=when)
    return fill_in("{answers}; {when} the switch is given up", answers=count_answers(draining), when=when)
