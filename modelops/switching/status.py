"""How the service is, in one word and then in detail: the same for the API, the pages and the commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import Q
from django.utils import timezone

from gateway.conf import get_config
from gateway.wording import FilledText, Translatable, fill_in, fill_text, join_texts
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.engine_log.failures import describe_for_everybody
from modelops.domain.switching.readiness import expect_ready_at
from modelops.domain.switching.states import SwitchState
from modelops.fit.profile_fits import get_gpu_choice
from modelops.fit.summary import serialise_hardware
from modelops.models import DEFAULT_SLOT, Gate, ModelProfile, Slot, Switch
from modelops.serving.external_engine import ExternalView, get_external_engine
from modelops.serving.model_tasks import Task, find_engine_tasks
from modelops.switching.draining import Draining, count_requests, describe_draining, find_draining
from modelops.switching.remedies import offer_remedies_for, serialise_remedy
from modelops.switching.selectors import find_last_error, find_switcher, list_live_switches, list_slots
from modelops.switching.slots import find_default_slot
from modelops.switching.switchers import describe_box, list_present


class ServiceState(StrEnum):
    NONE = "none"
    """No model is served and none was asked for."""
    STARTING = "starting"
    """Nothing is served yet; an engine is being prepared."""
    LOADING = "loading"
    """Nothing is served yet; an engine runs and loads its model."""
    READY = "ready"
    SWITCHING = "switching"
    """From one model to another. The first may still be serving: see `switch`."""
    DEGRADED = "degraded"
    """Nothing is served although something should be."""


SERVICE_STATES: Mapping[ServiceState, Translatable] = {
    ServiceState.NONE: "none",
    ServiceState.STARTING: "starting",
    ServiceState.LOADING: "loading",
    ServiceState.READY: "ready",
    ServiceState.SWITCHING: "switching",
    ServiceState.DEGRADED: "degraded",
}


def name_service_state(state: str) -> FilledText:
    """The state as people read it."""
    return fill_text(SERVICE_STATES[ServiceState(state)], {})


LOADING_STATES = (SwitchState.LOADING, SwitchState.VERIFYING)


@dataclass(frozen=True)
class SlotStatus:
    """A slot as clients see it. `current_profile` answers requests now; empty when nothing does."""

    slot: Slot
    state: ServiceState
    current_profile: str
    since: datetime | None
    live: Sequence[Switch] = ()
    """The switch that acts, if one does, then the one that waits."""
    problem: str = ""
    """What is wrong with the engine of VLLM_BASE_URL."""
    tasks: Sequence[Task] | None = None
    """What the model that serves can be asked for; None where nothing does, or it is not known."""

    @property
    def switch(self) -> Switch | None:
        return self.live[0] if self.live else None

    @property
    def waiting(self) -> Switch | None:
        """The switch that is queued behind `switch`."""
        return self.live[1] if len(self.live) > 1 else None


def find_slot_status(slot: Slot) -> SlotStatus:
    """The state of a slot with engines of its own."""
    live = list_live_switches(slot)
    switch = live[0] if live else None
    engine = slot.active_engine
    profile = engine.profile if engine else ""
    since: datetime | None
    if switch is not None:
        state = _name_switching(switch, is_serving=engine is not None)
        since = switch.created_at if state is ServiceState.SWITCHING else switch.state_since
    elif engine is not None:
        state, since = ServiceState.READY, engine.ready_at
    else:
        state, since = _name_idle(slot), None if slot._state.adding else slot.changed_at
    tasks = find_engine_tasks(engine) if engine else None
    return SlotStatus(slot, state, profile, since, live, tasks=tasks)


def _name_switching(switch: Switch, *, is_serving: bool) -> ServiceState:
    changes_model = switch.from_profile not in ("", switch.to_profile)
    if is_serving or changes_model or switch.state == SwitchState.ROLLING_BACK:
        return ServiceState.SWITCHING
    return ServiceState.LOADING if switch.state in LOADING_STATES else ServiceState.STARTING


def _name_idle(slot: Slot) -> ServiceState:
    last = find_last_error(slot)
    is_degraded = slot.problem or slot.retry_at or (last is not None and last.state == SwitchState.DEGRADED)
    return ServiceState.DEGRADED if is_degraded else ServiceState.NONE


def find_external_status(view: ExternalView, slot: Slot) -> SlotStatus:
    """The state of the default slot while the engine of VLLM_BASE_URL serves in place of one of its own."""
    live = list_live_switches(slot)
    switch = live[0] if live else None
    problem = ""
    if view.problem:
        problem = fill_in("The engine at VLLM_BASE_URL: {problem}.", problem=view.problem)
    profile = _find_profile(view.models[0].name) if view.models else ""
    since = None
    if switch is not None:
        state = _name_switching(switch, is_serving=bool(view.models))
        since = switch.created_at
    elif view.models:
        state = ServiceState.READY
    elif view.is_loading:
        state = ServiceState.LOADING
    else:
        state = ServiceState.DEGRADED if view.problem else ServiceState.NONE
    tasks = view.models[0].tasks if view.models else None
    return SlotStatus(slot, state, profile, since, live, problem, tasks)


def _find_profile(model: str) -> str:
    """The profile that goes by this name; the name itself where none does."""
    named = ModelProfile.objects.filter(Q(slug=model) | Q(served_model_name=model))
    return named.values_list("slug", flat=True).first() or model


def list_slot_statuses(seen: ExternalView | None = None) -> list[SlotStatus]:
    """Every slot's, the default one's first, which is there even before its row."""
    return [find_default_status(seen)] + [
        find_slot_status(slot) for slot in list_slots() if slot.slug != DEFAULT_SLOT
    ]


def find_default_status(seen: ExternalView | None = None) -> SlotStatus:
    """The default slot's, by its own engine, or else by that of VLLM_BASE_URL: asked now, unless `seen`."""
    slot = find_default_slot()
    external = get_external_engine(get_config())
    if external is None or slot.active_engine_id is not None or slot.gate != Gate.OPEN:
        return find_slot_status(slot)
    return find_external_status(seen or external.look(), slot)


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
    now = timezone.now()
    slots = [{"slot": each.slot.slug, **_serialise_slot(each, now, for_admin=for_admin)} for each in statuses]
    return {**{name: value for name, value in slots[0].items() if name != "slot"}, "slots": slots}


def _serialise_slot(status: SlotStatus, now: datetime, *, for_admin: bool) -> dict[str, Any]:
    switch = status.switch
    draining = find_draining(switch) if switch else None
    return {
        **reduce_status(status),
        "tasks": None if status.tasks is None else [str(task) for task in status.tasks],
        "since": _write_time(status.since),
        "phase": (switch.phase or switch.state) if switch else None,
        "progress": switch.percent if switch else None,
        "eta_s": count_remaining_s(switch, now) if switch else None,
        "detail": (describe_detail(switch, draining, now) if switch else status.problem) or None,
        "requests": None if status.slot._state.adding else asdict(count_requests(status.slot.id)),
        "draining": _serialise_draining(draining) if draining else None,
        "switch": _brief_switch(switch) if switch else None,
        "waiting": _brief_switch(status.waiting) if status.waiting else None,
        "last_error": _serialise_last_error(status, for_admin=for_admin),
        "retry_at": _write_time(find_retry_at(status.slot)) if switch is None else None,
        "box": (describe_box(status.slot.box, status.slot.box_host) or None) if for_admin else None,
    }


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


def _serialise_last_error(status: SlotStatus, *, for_admin: bool) -> dict[str, Any] | None:
    failed = find_last_error(status.slot)
    # A slot's own problem is about now; a failed switch may be followed by the death of what it left.
    cause = status.slot.problem or (failed.root_cause if failed else None)
    if failed is None and not cause:
        return None
    ended = _describe_end(failed) if failed else ""
    ending = RootCause("", ended).serialise()
    # What was switched to may be another profile than the one whose engine has the problem.
    slug = status.slot.desired_profile if status.slot.problem or failed is None else failed.to_profile
    return {
        **(serialise_cause(cause, for_admin=for_admin) if cause else ending),
        "remedies": _serialise_remedies(cause, slug, status.slot) if cause and for_admin else [],
        "switch_id": str(failed.id) if failed else None,
        "at": _write_time(failed.ended_at if failed else status.slot.changed_at),
    }


def _serialise_remedies(cause: Mapping[str, Any], slug: str, slot: Slot) -> list[dict[str, Any]]:
    return [serialise_remedy(offer) for offer in offer_remedies_for(RootCause.parse(cause), slug, slot.slug)]


ENDED: Mapping[str, Translatable] = {
    SwitchState.ACTIVE: "the switch to {profile} was carried out.",
    SwitchState.REJECTED: "the switch to {profile} was rejected.",
    SwitchState.CANCELLED: "the switch to {profile} was cancelled.",
    SwitchState.ROLLED_BACK: "the switch to {profile} was rolled back.",
    SwitchState.DEGRADED: "the switch to {profile} failed, and nothing serves.",
}


def _describe_end(switch: Switch) -> str:
    return fill_text(ENDED[SwitchState(switch.state)], {"profile": switch.to_profile})


def serialise_cause(cause: Mapping[str, Any], *, for_admin: bool) -> dict[str, Any]:
    """A root cause as clients see it; what it found on the machine only admins see."""
    known = RootCause.parse(cause)
    return known.serialise() if for_admin else describe_for_everybody(known).serialise() | {"evidence": None}


def _write_time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
