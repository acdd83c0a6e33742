"""How the service is, in detail: the same for the API, the pages and the commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from gateway.wording import Translatable, fill_text, join_texts
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.engine_log.failures import describe_for_everybody
from modelops.domain.switching.readiness import expect_ready_at
from modelops.domain.switching.states import SwitchState
from modelops.fit.profile_fits import get_gpu_choice
from modelops.fit.summary import serialise_hardware
from modelops.models import EngineState, Slot, Switch
from modelops.serving.external_engine import ExternalView
from modelops.serving.start_history import find_wake_seconds
from modelops.switching.draining import (
    Draining,
    Reports,
    count_requests,
    describe_draining,
    find_draining,
    list_reports,
)
from modelops.switching.remedies import Failure, RemedyOffer, offer_remedies, serialise_remedy
from modelops.switching.replica_status import serialise_replicas
from modelops.switching.selectors import find_switcher
from modelops.switching.slot_status import ServiceState, SlotStatus, list_slot_statuses
from modelops.switching.switchers import describe_box, list_present


def reduce_status(status: SlotStatus) -> dict[str, Any]:
    """What anybody may know."""
    return {"state": str(status.state), "current_profile": status.current_profile or None}


def serialise_status(*, for_admin: bool) -> dict[str, Any]:
    """Everything that a user may know; admins see evidence and machines besides. Plain JSON values."""
    statuses = list_slot_statuses()
    switcher = find_switcher(statuses[0].slot)
    notices = [
        join_texts(": ", [describe_box(each.box, each.box_host), each.notice_text])
        for each in list_present()
        if each.notice
    ]
    return {
        **serialise_slots(statuses, for_admin=for_admin),
        "hardware": serialise_hardware(get_gpu_choice(), for_admin=for_admin),
        "switcher": {
            "alive": switcher.is_alive,
            "seen_at": _write_time(switcher.seen_at),
            "host": (switcher.host or None) if for_admin else None,
            "notices": notices if for_admin else [],
        },
    }


@dataclass(frozen=True)
class StatusQuery:
    """`seen` is the engine of VLLM_BASE_URL as it was probed before, for callers that may not block."""

    for_admin: bool
    seen: ExternalView | None


def read_statuses(items: Sequence[StatusQuery]) -> list[dict[str, Any]]:
    """The status of every slot, once for each query. A handler of `gateway.batching`."""
    statuses = list_slot_statuses(items[0].seen)
    roles = {item.for_admin for item in items}
    by_role = {for_admin: serialise_slots(statuses, for_admin=for_admin) for for_admin in roles}
    return [by_role[item.for_admin] for item in items]


def serialise_slots(statuses: Sequence[SlotStatus], *, for_admin: bool) -> dict[str, Any]:
    """The first slot's fields, and every slot's under `slots`."""
    now, reports = timezone.now(), list_reports()
    remedies = _offer_remedies(statuses) if for_admin else [[] for _status in statuses]
    slots = [
        {
            "slot": each.slot.slug,
            **_serialise_slot(each, now, reports),
            "replicas": _serialise_replicas(each, for_admin=for_admin),
            "last_error": _serialise_last_error(each, offers, for_admin=for_admin),
            "box": (describe_box(each.slot.box, each.slot.box_host) or None) if for_admin else None,
        }
        for each, offers in zip(statuses, remedies, strict=True)
    ]
    return {**{name: value for name, value in slots[0].items() if name != "slot"}, "slots": slots}


def _serialise_slot(status: SlotStatus, now: datetime, reports: Reports) -> dict[str, Any]:
    """What everybody may know."""
    switch = status.switch
    draining = find_draining(switch, reports) if switch else None
    requests = None if status.slot._state.adding else asdict(count_requests(status.slot.id, reports))
    return {
        **reduce_status(status),
        "tasks": None if status.tasks is None else [str(task) for task in status.tasks],
        "since": _write_time(status.since),
        "phase": (switch.phase or switch.state) if switch else None,
        "progress": switch.percent if switch else None,
        "eta_s": count_remaining_s(switch, now) if switch else None,
        "detail": (describe_detail(switch, draining, now) if switch else status.problem) or None,
        "requests": requests,
        "draining": _serialise_draining(draining) if draining else None,
        "switch": _brief_switch(switch) if switch else None,
        "waiting": _brief_switch(status.waiting) if status.waiting else None,
        "retry_at": _write_time(find_retry_at(status.slot)) if switch is None else None,
        "resting": describe_rest(status),
    }


def describe_rest(status: SlotStatus) -> dict[str, Any] | None:
    """What the next request wakes, and how long that usually takes; None for a slot that does not rest."""
    if status.state is not ServiceState.RESTING:
        return None
    engine = status.slot.last_good_engine
    return {
        "profile": engine.profile if engine else status.slot.desired_profile,
        "is_asleep": engine is not None and engine.state == EngineState.ASLEEP,
        "wake_s": find_wake_seconds(engine) if engine else None,
    }


def _serialise_replicas(status: SlotStatus, *, for_admin: bool) -> dict[str, Any] | None:
    found = serialise_replicas(status.replicas, for_admin=for_admin)
    if found is not None:
        found["engines"] = [{**each, "since": _write_time(each["since"])} for each in found["engines"]]
    return found


def find_retry_at(slot: Slot) -> datetime | None:
    """When what should serve is started again; None where nothing is waited for."""
    is_waiting = slot.active_engine_id is None and slot.desired_profile
    return slot.retry_at if is_waiting else None


def _brief_switch(switch: Switch) -> dict[str, Any]:
    return {
        "id": str(switch.id),
        "from_profile": switch.from_profile or None,
        "to_profile": switch.to_profile,
        "state": switch.state,
        "created_at": _write_time(switch.created_at),
        "cancel_requested": switch.cancel_requested_at is not None,
    }


def _serialise_draining(draining: Draining) -> dict[str, Any]:
    return {
        "running": draining.running,
        "deadline": _write_time(draining.deadline),
        "policy": str(draining.policy),
    }


def describe_detail(switch: Switch, draining: Draining | None, now: datetime) -> str:
    """What is going on, in words: of running answers as they are now, else as the switcher wrote it down."""
    return describe_draining(draining, now) if draining else switch.get_text("detail")


def count_remaining_s(switch: Switch, now: datetime) -> int | None:
    """Seconds until it is expected to be ready; 0 when it is late, None when there is no estimate."""
    expected = expect_ready_at(
        SwitchState(switch.state),
        switch.state_since,
        told=switch.ready_expected_at,
        typical_s=(switch.plan or {}).get("typical_seconds"),
        now=now,
    )
    return max(round((expected - now).total_seconds()), 0) if expected and switch.is_live else None


def find_failure(status: SlotStatus) -> Failure | None:
    """What is wrong now, else why the last switch failed; None where no cause is known.

    A slot's own problem is about now; a failed switch may be followed by the death of what it left. What was
    switched to may be another profile than the one whose engine has the problem.
    """
    slot, failed = status.slot, status.last_failed
    if slot.problem:
        return Failure(RootCause.parse(slot.problem), slot.desired_profile, slot)
    if failed is None or not failed.root_cause:
        return None
    return Failure(RootCause.parse(failed.root_cause), failed.to_profile, slot)


def _offer_remedies(statuses: Sequence[SlotStatus]) -> list[list[RemedyOffer]]:
    failures = [find_failure(status) for status in statuses]
    offers = iter(offer_remedies([each for each in failures if each is not None]))
    return [[] if each is None else next(offers) for each in failures]


def _serialise_last_error(
    status: SlotStatus, offers: Sequence[RemedyOffer], *, for_admin: bool
) -> dict[str, Any] | None:
    failed, failure = status.last_failed, find_failure(status)
    if failed is None and failure is None:
        return None
    ended = RootCause("", _describe_end(failed) if failed else "").serialise()
    return {
        **(serialise_cause(failure.cause, for_admin=for_admin) if failure else ended),
        "remedies": [serialise_remedy(offer) for offer in offers],
        "switch_id": str(failed.id) if failed else None,
        "at": _write_time(failed.ended_at if failed else status.slot.changed_at),
    }


ENDED: Mapping[str, Translatable] = {
    SwitchState.ACTIVE: "the switch to {profile} was carried out.",
    SwitchState.REJECTED: "the switch to {profile} was rejected.",
    SwitchState.CANCELLED: "the switch to {profile} was cancelled.",
    SwitchState.ROLLED_BACK: "the switch to {profile} was rolled back.",
    SwitchState.DEGRADED: "the switch to {profile} failed, and nothing serves.",
}


def _describe_end(switch: Switch) -> str:
    return fill_text(ENDED[SwitchState(switch.state)], {"profile": switch.to_profile})


def serialise_cause(cause: RootCause, *, for_admin: bool) -> dict[str, Any]:
    """A root cause as clients see it; what it found on the machine only admins see."""
    return cause.serialise() if for_admin else describe_for_everybody(cause).serialise() | {"evidence": None}


def _write_time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
