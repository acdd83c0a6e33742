"""From rows, runtimes and engines to the `Observation` that the domain decides by."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from gateway.wording import fill_in
from modelops.domain.engine_log.causes import Cause, RootCause
from modelops.domain.engine_log.failures import describe_cause
from modelops.domain.runtimes import get_traits
from modelops.domain.switching.recipe import Recipe
from modelops.domain.switching.resting import RestState
from modelops.domain.switching.states import (
    DEAD,
    Check,
    DrainPolicy,
    EngineObservation,
    Observation,
    SwitchState,
    WorkloadStatus,
)
from modelops.hardware import GpuReading
from modelops.models import Engine, EngineState, Gate, Slot, Switch
from modelops.runtimes.base import Instance, InstanceState, RuntimeUnavailable
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.draining import is_drained, is_engine_left
from modelops.switcher.standstill import START_TIMEOUT_S, find_standstill
from modelops.switcher.watching import EngineLogWatch
from modelops.switcher.working_state import WorkingState
from modelops.switcher.workloads import find_recipe, is_roll, read_engine_recipe

CUT_GRACE_S = 5.0
STOP_GRACE_S = 10.0
"""On top of the engine's own shutdown time-out."""
NOT_HEALTHY_S = 60.0

_STATUSES = {
    InstanceState.ABSENT: WorkloadStatus.ABSENT,
    InstanceState.CREATED: WorkloadStatus.CREATED,
    InstanceState.RUNNING: WorkloadStatus.RUNNING,
    InstanceState.EXITED: WorkloadStatus.EXITED,
}
STARTING_STATES = (SwitchState.STARTING, SwitchState.LOADING, SwitchState.VERIFYING)


@dataclass(frozen=True)
class ObservationResult:
    """An observation, and failures that it found and that are not on record yet."""

    seen: Observation
    new_failure: RootCause | None = None
    restore_failure: RootCause | None = None


class Observer:
    def __init__(self, dependencies: SwitcherDependencies, working_state: WorkingState) -> None:
        self._dependencies = dependencies
        self._working_state = working_state
        self._inspected: dict[str, Instance | None] | None = None
        self._unavailable: RuntimeUnavailable | None = None

    def look(self, slot: Slot, switch: Switch, *, is_old_hung: bool = False) -> ObservationResult:
        """Everything about the switch, now. Reads only; bounded in time.

        Each engine is inspected once: one that ends in between is not both running and ended.
        """
        self._inspected = {}
        try:
            return self._look(slot, switch, is_old_hung)
        finally:
            self._inspected = None

    def _look(self, slot: Slot, switch: Switch, is_old_hung: bool) -> ObservationResult:
        now = timezone.now()
        recipe = find_recipe(switch)
        state = SwitchState(switch.state)
        rolls = is_roll(switch)
        has_followers = not rolls and slot.active_engine_id is not None and _has_followers(slot, state)
        is_starting, is_restoring = state in STARTING_STATES, state is SwitchState.ROLLING_BACK
        keeps_engine = (switch.plan or {}).get("kind") in ("nothing", "rename")
        target = switch.old_engine if keeps_engine else switch.new_engine
        new_failure = self.find_failure(target, switch.root_cause) if is_starting else None
        restore_failure = (
            self.find_failure(switch.restored_engine, switch.restore_cause) if is_restoring else None
        )
        spent_s = (now - switch.state_since).total_seconds()
        held = self._find_held(state, recipe)
        orphans = self.list_orphans(slot, switch) if needs_room(state) else []
        seen = Observation(
            is_cancel_asked=switch.cancel_requested_at is not None,
            plan=_check(recipe, switch.root_cause),
            keeps_engine=keeps_engine,
            prefetch=self._working_state.prefetched,
            restores_if_refused=_restores_if_refused(slot, switch),
            old=self._view_old(switch, is_old_hung=is_old_hung, has_followers=has_followers),
            is_old_pointed_to=slot.active_engine_id is not None
            and (rolls or slot.active_engine_id == switch.old_engine_id),
            parks_old=recipe is not None and recipe.parks_old,
            starts_beside=recipe is not None and recipe.starts_beside,
            is_drained=self._is_drained(slot, switch, rolls=rolls),
            is_drain_over=spent_s > switch.drain_timeout_s,
            drain_policy=DrainPolicy(switch.drain_policy),
            # The gate is every replica's: what still runs on one that makes room ends with it.
            is_cut=rolls or slot.gate == Gate.CUT,
            is_cut_over=rolls
            or (slot.gate == Gate.CUT and (now - slot.changed_at).total_seconds() > CUT_GRACE_S),
            is_grace_over=is_grace_over(switch.old_engine, now),
            has_orphans=_is_any(orphans),
            is_memory_free=_is_none(held),
            is_clear_over=spent_s > self._dependencies.config.clear_timeout_s,
            is_start_over=state is SwitchState.STARTING and spent_s > START_TIMEOUT_S,
            new=self.view(switch.new_engine, new_failure or switch.root_cause, is_live=is_starting),
            may_retry=is_starting and may_retry(switch, new_failure),
            can_restore=slot.last_good_engine_id is not None,
            restored=self.view(
                switch.restored_engine, restore_failure or switch.restore_cause, is_live=is_restoring
            ),
        )
        failure = new_failure or find_standstill(
            state,
            seen,
            held=held,
            new_runtime=switch.new_engine.runtime if switch.new_engine else "",
            unavailable=self._unavailable,
            clear_timeout_s=self._dependencies.config.clear_timeout_s,
        )
        return ObservationResult(seen, failure, restore_failure)

    def _is_drained(self, slot: Slot, switch: Switch, *, rolls: bool) -> bool:
        web_processes, now = self._working_state.web_processes, time.monotonic()
        if switch.state != SwitchState.DRAINING:
            return False
        if rolls and switch.old_engine is not None:
            return is_engine_left(slot, switch.old_engine, web_processes, now)
        return is_drained(slot, web_processes, now)

    def inspect(self, engine: Engine) -> Instance | None:
        """The engine's workload now; None when its runtime does not answer."""
        if self._inspected is not None and engine.name in self._inspected:
            return self._inspected[engine.name]
        instance = self._ask_runtime(engine)
        if self._inspected is not None:
            self._inspected[engine.name] = instance
        return instance

    def _ask_runtime(self, engine: Engine) -> Instance | None:
        try:
            instance = self._dependencies.runtime_of(engine.runtime).status(engine.name)
        except RuntimeUnavailable:
            return None
        self._working_state.instances[engine.name] = instance
        return instance

    def read_status(self, engine: Engine | None) -> WorkloadStatus:
        if engine is None:
            return WorkloadStatus.NONE
        if not get_traits(engine.runtime).is_managed and (engine.asked_to_stop_at or engine.ended_at):
            # Somebody else's goes on running: it is gone as far as the slot is concerned.
            return WorkloadStatus.ABSENT
        instance = self.inspect(engine)
        is_starting = self._dependencies.effects.is_running(("start", engine.name))
        if instance is None or (is_starting and instance.state is not InstanceState.RUNNING):
            # What is being started may be there in a moment: nobody may take it for absent.
            return WorkloadStatus.UNKNOWN
        status = _STATUSES[instance.state]
        return (
            WorkloadStatus.ASLEEP
            if status is WorkloadStatus.RUNNING and engine.state == EngineState.ASLEEP
            else status
        )

    def list_orphans(self, slot: Slot, switch: Switch | None) -> list[tuple[str, str]] | None:
        """What carries the slot's label and belongs to nothing: (runtime, name). Sleepers may stay if
        the engine that comes next can sleep as well.

        None: nothing was found, and a runtime that this switch is about does not say.
        """
        needed = set()
        kept = {slot.active_engine.name} if slot.active_engine else set()
        if slot.rest == RestState.LEAVING and slot.last_good_engine is not None:
            kept.add(slot.last_good_engine.name)
        if switch is not None:
            engines = (switch.old_engine, switch.new_engine, switch.restored_engine)
            kept |= {engine.name for engine in engines if engine is not None}
            needed = {engine.runtime for engine in engines if engine is not None}
        recipe = find_recipe(switch) if switch is not None else None
        rolls = switch is not None and is_roll(switch)
        if switch is None or rolls or (recipe is not None and recipe.keeps_sleepers):
            sleepers = slot.engines.filter(state=EngineState.ASLEEP)
            if switch is not None and not rolls:
                # One that is not worth waking, as its profile has changed, makes room for its successor.
                wakes = recipe.wakes if recipe is not None else ""
                sleepers = sleepers.filter(~Q(profile=switch.to_profile) | Q(name=wakes))
            kept |= set(sleepers.values_list("name", flat=True))
        # Followers are written off when nothing points to their leader any more.
        followers = slot.engines.filter(replica__gt=0, ended_at=None)
        kept |= set(followers.values_list("name", flat=True))
        orphans, is_known = [], not self._is_starting_replicas()
        for runtime in slot.engines.values_list("runtime", flat=True).order_by().distinct():
            try:
                instances = self._dependencies.runtime_of(runtime).list_instances(str(slot.pk))
            except RuntimeUnavailable as exc:
                # One that nothing is on any more may have been uninstalled.
                if runtime in needed:
                    is_known, self._unavailable = False, exc
                continue
            orphans += [(runtime, each.name) for each in instances if each.name not in kept]
        return orphans if orphans or is_known else None

    def _is_starting_replicas(self) -> bool:
        """Whether a follower may be there in a moment, although it is not wanted any more."""
        effects = self._dependencies.effects
        return any(effects.is_running(("start", name)) for name in self._working_state.starting_replicas)

    def list_lost_sleepers(self, slot: Slot) -> list[Engine]:
        """Engines that should be asleep and ended, or were removed: nothing can be woken any more."""
        return [
            each for each in slot.engines.filter(state=EngineState.ASLEEP) if self.read_status(each) in DEAD
        ]

    def watch(self, engine: Engine) -> EngineLogWatch:
        """The watch on this engine's log, begun on first use."""
        watch = self._working_state.watches.get(engine.name)
        if watch is None:
            runtime = self._dependencies.runtime_of(engine.runtime)
            watch = EngineLogWatch(engine, runtime, started_at=engine.created_at)
            self._working_state.watches[engine.name] = watch
        return watch

    def view(self, engine: Engine | None, failure: object, *, is_live: bool = False) -> EngineObservation:
        """One engine; `is_live`: it is being started, so that it matters whether it answers."""
        if engine is None:
            return EngineObservation(has_failed=failure is not None)
        status = self.read_status(engine)
        is_ready = is_live and status is WorkloadStatus.RUNNING and self._is_ready(engine)
        return EngineObservation(
            status=status,
            was_started=bool(engine.reference),
            was_asked_to_stop=engine.asked_to_stop_at is not None,
            is_ready=is_ready,
            verification=self._working_state.verified.get(engine.name, Check.PENDING),
            has_failed=failure is not None,
        )

    def _is_ready(self, engine: Engine) -> bool:
        """It listens and says that it is well, and its runtime does not say otherwise."""
        instance = self.inspect(engine)
        is_refused = instance is not None and instance.is_ready is False
        return not is_refused and self._dependencies.control.is_healthy(engine)

    def _view_old(self, switch: Switch, *, is_old_hung: bool, has_followers: bool) -> EngineObservation:
        """One that is dead and drained by its followers is not over before they are."""
        seen = self.view(switch.old_engine, is_old_hung or None)
        return replace(seen, status=WorkloadStatus.UNKNOWN) if has_followers and seen.status in DEAD else seen

    def find_failure(self, engine: Engine | None, known: object) -> RootCause | None:
        """Why the engine that is being started will not come: it ended, vanished or stands still."""
        if engine is None or known is not None or self.read_status(engine) is WorkloadStatus.ASLEEP:
            return None
        instance = self.inspect(engine)
        if instance is None or (not engine.reference and instance.state is not InstanceState.EXITED):
            return None
        watch = self.watch(engine)
        watch.read()
        if instance.state is InstanceState.ABSENT:
            return describe_cause(Cause.START_VANISHED, evidence="", name=engine.name)
        if instance.state is not InstanceState.RUNNING:
            return watch.classify(instance)
        if self._working_state.verified.get(engine.name) is Check.PASSED:
            return None
        return self._find_stall(watch, engine)

    def _find_stall(self, watch: EngineLogWatch, engine: Engine) -> RootCause | None:
        scale = self._dependencies.config.stall_scale
        silent_s = watch.find_stall(scale=scale)
        if watch.log.is_complete and not self._dependencies.control.is_healthy(engine):
            waited_s = watch.seconds_since_complete()
            if waited_s > NOT_HEALTHY_S * scale:
                return describe_cause(
                    Cause.NOT_HEALTHY, seconds=waited_s, error=fill_in("/health is not 200")
                )
            return None
        if silent_s is None or watch.log.is_complete:
            return None
        return describe_cause(Cause.STALLED, seconds=silent_s, phase=str(watch.log.phase))

    def _find_held(self, state: SwitchState, recipe: Recipe | None) -> list[GpuReading] | None:
        if not needs_room(state) or recipe is None or not recipe.gpus:
            return []
        return self._dependencies.gpus.find_held(recipe.gpus, recipe.gpu_memory_utilization)


def _has_followers(slot: Slot, state: SwitchState) -> bool:
    """Whether answers may still run on replicas of the engine that serves."""
    followers = slot.engines.filter(replica__gt=0, state=EngineState.SERVING)
    return state is SwitchState.DRAINING and followers.exists()


def needs_room(state: SwitchState) -> bool:
    return state in (SwitchState.CLEARING, SwitchState.ROLLING_BACK)


def may_retry(switch: Switch, new_failure: RootCause | None) -> bool:
    """Once, with the context that the engine itself computed."""
    cause = new_failure or (RootCause.parse(switch.root_cause) if switch.root_cause else None)
    return cause is not None and cause.can_retry and switch.attempts <= 1


def _restores_if_refused(slot: Slot, switch: Switch) -> bool:
    good = slot.last_good_engine
    is_restart = switch.via == Switch.Via.SYSTEM and slot.active_engine_id is None
    return is_restart and good is not None and good.profile == switch.to_profile


def _is_any(found: list[tuple[str, str]] | None) -> bool | None:
    return None if found is None else bool(found)


def _is_none(found: list[GpuReading] | None) -> bool | None:
    return None if found is None else not found


def _check(recipe: object, root_cause: object) -> Check:
    if recipe:
        return Check.PASSED
    return Check.FAILED if root_cause else Check.PENDING


def is_grace_over(engine: Engine | None, now: datetime) -> bool:
    """Whether the engine was asked to stop, and had time enough."""
    if engine is None or engine.asked_to_stop_at is None:
        return False
    grace_s = read_engine_recipe(engine).shutdown_timeout_s + STOP_GRACE_S
    return (now - engine.asked_to_stop_at).total_seconds() > grace_s
