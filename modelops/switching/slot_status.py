"""What each slot serves, and what it is about to: its state in one word, with the switches behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from django.db.models import Q

from gateway.conf import get_config
from gateway.wording import FilledText, Translatable, fill_in, fill_text
from modelops.domain.runtimes import find_health_path
from modelops.domain.switching.resting import RestState
from modelops.domain.switching.states import SwitchState
from modelops.models import DEFAULT_SLOT, Engine, Gate, ModelProfile, Slot, Switch, SwitcherPresence
from modelops.serving.engine_probes import get_engine_probes
from modelops.serving.external_engine import ExternalView, get_external_engine
from modelops.serving.model_tasks import ModelTask, find_engine_tasks
from modelops.switching.replica_status import ReplicasStatus, find_replicas
from modelops.switching.selectors import find_last_errors, group_live_switches, list_slots
from modelops.switching.slots import find_default_slot, make_default_slot
from modelops.switching.switchers import acts_for, describe_box, list_present


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
    RESTING = "resting"
    """Nobody used the model for a while: its engine sleeps or was stopped, and the next request wakes it."""
    UNREACHABLE = "unreachable"
    """Its box is gone: no switcher is heard of there, and no engine of it answers."""


SERVICE_STATES: Mapping[ServiceState, Translatable] = {
    ServiceState.NONE: "none",
    ServiceState.STARTING: "starting",
    ServiceState.LOADING: "loading",
    ServiceState.READY: "ready",
    ServiceState.SWITCHING: "switching",
    ServiceState.DEGRADED: "degraded",
    ServiceState.RESTING: "resting",
    ServiceState.UNREACHABLE: "unreachable",
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
    last_failed: Switch | None = None
    """The last switch that came to an end of its own, where it failed."""
    problem: str = ""
    """What is wrong with the engine of VLLM_BASE_URL."""
    tasks: Sequence[ModelTask] | None = None
    """What the model that serves can be asked for; None where nothing does, or it is not known."""
    replicas: ReplicasStatus | None = None
    """Of a profile that runs as several engines."""

    @property
    def switch(self) -> Switch | None:
        return self.live[0] if self.live else None

    @property
    def waiting(self) -> Switch | None:
        """The switch that is queued behind `switch`."""
        return self.live[1] if len(self.live) > 1 else None


def find_slot_statuses(slots: Sequence[Slot], seen: ExternalView | None = None) -> list[SlotStatus]:
    """The state of each, in the order given: three queries, however many there are, and one for replicas.

    The engine of VLLM_BASE_URL, where it serves in place of the default slot's own, is asked now unless it
    was `seen`.
    """
    live, failed = group_live_switches(slots), find_last_errors(slots)
    replicas = find_replicas(slots)
    found = [_find_status(each, live.get(each.pk, []), failed.get(each.pk), seen) for each in slots]
    if replicas:
        found = [replace(each, replicas=replicas.get(each.slot.pk)) for each in found]
    present = list_present() if any(each.box for each in slots) else []
    return [_note_lost_box(each, present) for each in found]


def _note_lost_box(status: SlotStatus, present: Sequence[SwitcherPresence]) -> SlotStatus:
    """The status, unless the slot's box is gone: then nothing of it is served, whatever the rows say."""
    slot, engine = status.slot, status.slot.active_engine
    if not slot.box or any(acts_for(each, slot) for each in present):
        return status
    if engine is None and status.current_profile:
        # The engine of VLLM_BASE_URL is nobody's box's.
        return status
    if engine is not None and engine.base_url and _answers(engine):
        return status
    problem = fill_in(
        "No switcher has been heard of on {box}, and no engine answers there.",
        box=describe_box(slot.box, slot.box_host),
    )
    return replace(status, state=ServiceState.UNREACHABLE, current_profile="", problem=problem)


def _answers(engine: Engine) -> bool:
    return get_engine_probes().answers(f"{engine.base_url}{find_health_path(engine.runtime)}")


def _find_status(
    slot: Slot, live: Sequence[Switch], failed: Switch | None, seen: ExternalView | None
) -> SlotStatus:
    if slot.slug == DEFAULT_SLOT and slot.active_engine_id is None and slot.gate == Gate.OPEN:
        external = get_external_engine(get_config())
        if external is not None:
            return _judge_external(seen or external.look(), slot, live, failed)
    return _judge_own(slot, live, failed)


def _judge_own(slot: Slot, live: Sequence[Switch], failed: Switch | None) -> SlotStatus:
    """By the engine of the slot's own."""
    switch = live[0] if live else None
    engine = slot.active_engine
    profile = engine.profile if engine else ""
    since: datetime | None
    state = name_state(slot, live, failed)
    if switch is not None:
        since = switch.created_at if state is ServiceState.SWITCHING else switch.state_since
    elif engine is not None:
        since = engine.ready_at
    else:
        since = None if slot._state.adding else slot.changed_at
    tasks = find_engine_tasks(engine) if engine else None
    return SlotStatus(slot, state, profile, since, live, failed, tasks=tasks)


def name_state(slot: Slot, live: Sequence[Switch], failed: Switch | None = None) -> ServiceState:
    """By the slot's own engine, and its live switches: the one that acts, then the one that waits."""
    if live:
        return _name_switching(live[0], is_serving=slot.active_engine_id is not None)
    return ServiceState.READY if slot.active_engine_id is not None else _name_idle(slot, failed)


def _name_switching(switch: Switch, *, is_serving: bool) -> ServiceState:
    changes_model = switch.from_profile not in ("", switch.to_profile)
    if is_serving or changes_model or switch.state == SwitchState.ROLLING_BACK:
        return ServiceState.SWITCHING
    return ServiceState.LOADING if switch.state in LOADING_STATES else ServiceState.STARTING


def _name_idle(slot: Slot, failed: Switch | None) -> ServiceState:
    left_nothing = failed is not None and failed.state == SwitchState.DEGRADED
    if slot.rest != RestState.AWAKE:
        return ServiceState.RESTING
    is_degraded = slot.problem or slot.retry_at or left_nothing
    return ServiceState.DEGRADED if is_degraded else ServiceState.NONE


def _judge_external(
    view: ExternalView, slot: Slot, live: Sequence[Switch], failed: Switch | None
) -> SlotStatus:
    """While the engine of VLLM_BASE_URL serves in place of one of the slot's own."""
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
    return SlotStatus(slot, state, profile, since, live, failed, problem, tasks)


def _find_profile(model: str) -> str:
    """The profile that goes by this name; the name itself where none does."""
    named = ModelProfile.objects.filter(Q(slug=model) | Q(served_model_name=model))
    return named.values_list("slug", flat=True).first() or model


def list_slot_statuses(seen: ExternalView | None = None) -> list[SlotStatus]:
    """Every slot's, the default one's first, which is there even before its row. Three queries."""
    slots = {slot.slug: slot for slot in list_slots()}
    first = slots.pop(DEFAULT_SLOT, None) or make_default_slot()
    return find_slot_statuses([first, *slots.values()], seen)


def find_default_status(seen: ExternalView | None = None) -> SlotStatus:
    """The default slot's, as `find_slot_statuses` has it."""
    return find_slot_statuses([find_default_slot()], seen)[0]
