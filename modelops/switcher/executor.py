"""Carries out the steps that the domain decided: effects on threads, transitions in one transaction each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from django.utils.timezone import now

from gateway.wording import fill_in
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.profiles.engine_args import build_serve_arguments
from modelops.domain.switching.recipe import Recipe
from modelops.domain.switching.states import Action, Check, Step, SwitchState
from modelops.models import Engine, EngineState, Gate, Slot, Switch
from modelops.models.profile_reading import read_own_profile
from modelops.runtimes.base import Instance, RuntimeUnavailable
from modelops.serving.engine_keys import find_engine_key
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.ledger import Ledger, ended
from modelops.switcher.observing import Observer
from modelops.switcher.preparing import Prefetch, Preparer, explain
from modelops.switcher.sleepers import SleeperKeeper
from modelops.switcher.transitions import Transitions
from modelops.switcher.working_state import WorkingState
from modelops.switcher.workloads import find_recipe, get_recipe, read_engine_recipe, to_workload

log = structlog.get_logger()


class StepExecutor:
    """Carries out one step at a time for one slot."""

    def __init__(
        self,
        dependencies: SwitcherDependencies,
        ledger: Ledger,
        observer: Observer,
        working_state: WorkingState,
        prefetch: Prefetch,
    ) -> None:
        self._dependencies = dependencies
        self._ledger = ledger
        self._observer = observer
        self._working_state = working_state
        self._transitions = Transitions(ledger)
        self._sleepers = SleeperKeeper(dependencies, ledger, working_state)
        self._preparer = Preparer(dependencies, ledger, working_state, prefetch)
        self._actions: dict[Action, Callable[[Slot, Switch], None]] = {
            Action.WAIT: lambda slot, switch: None,
            Action.MAKE_PLAN: self._make_plan,
            Action.PREFETCH: self._preparer.prefetch,
            Action.CUT: self._cut,
            Action.STOP_OLD: self._stop_old,
            Action.SLEEP_OLD: self._sleep_old,
            Action.REMOVE_OLD: lambda slot, switch: self._remove(switch, switch.old_engine),
            Action.REMOVE_ORPHANS: self._remove_orphans,
            Action.START_NEW: lambda slot, switch: self._start(slot, switch, switch.new_engine),
            Action.VERIFY_NEW: lambda slot, switch: self._verify(slot, switch, switch.new_engine),
            Action.VERIFY_OLD: lambda slot, switch: self._verify(slot, switch, switch.old_engine),
            Action.REMOVE_NEW: lambda slot, switch: self._remove(switch, switch.new_engine),
            Action.RETRY: self._retry,
            Action.START_RESTORED: self._start_restored,
            Action.VERIFY_RESTORED: lambda slot, switch: self._verify(slot, switch, switch.restored_engine),
            Action.REMOVE_RESTORED: lambda slot, switch: self._remove(switch, switch.restored_engine),
        }

    def carry_out(self, slot: Slot, switch: Switch, step: Step) -> None:
        """Raises LeaseLost or StateMoved if slot or switch changed meanwhile; then nothing is written."""
        if step.action is not Action.MOVE:
            self._actions[step.action](slot, switch)
            return
        if step.to is None:
            return
        if step.to in (SwitchState.ACTIVE, SwitchState.ROLLED_BACK):
            self._settle(slot, switch, step.to)
        else:
            self._transitions.move(slot, switch, step.to)
        if step.to in (SwitchState.CANCELLED, SwitchState.REJECTED, SwitchState.ROLLING_BACK):
            self._preparer.stop()

    def claim(self, slot: Slot, switch: Switch) -> None:
        """Begin the switch that is next in the queue, or end it if it was cancelled meanwhile."""
        is_cancelled = switch.cancel_requested_at is not None
        self._transitions.move(slot, switch, SwitchState.CANCELLED if is_cancelled else SwitchState.PLANNED)

    def stop(self) -> None:
        """Cancel the prefetch that is under way, if there is one."""
        self._preparer.stop()

    def end_lost_sleepers(self, slot: Slot) -> None:
        """End the rows of sleeping engines that no longer exist, so that no plan counts on waking them."""
        for engine in self._observer.list_lost_sleepers(slot):
            self._ledger.update_engine(engine, **ended(fill_in("it ended while it slept")))

    def _make_plan(self, slot: Slot, switch: Switch) -> None:
        self.end_lost_sleepers(slot)
        self._preparer.make_plan(slot, switch)

    def _settle(self, slot: Slot, switch: Switch, to: SwitchState) -> None:
        """Point the slot to the new engine, or to the one that was restored."""
        engine = switch.restored_engine if to is SwitchState.ROLLED_BACK else self._find_target(switch)
        if engine is None or (slot.active_engine_id is not None and to is SwitchState.ROLLED_BACK):
            self._transitions.move(slot, switch, to)
            return
        watch = None if engine == switch.old_engine else self._observer.watch(engine)
        found = {"cards": self._working_state.cards.get(engine.name, []), "asked_to_stop_at": None}
        found["max_model_len"] = next(
            (card.get("max_model_len") for card in found["cards"] or () if card.get("max_model_len")), None
        )
        settle = self._transitions.restore if to is SwitchState.ROLLED_BACK else self._transitions.activate
        settle(slot, switch, engine, found, watch)

    def _find_target(self, switch: Switch) -> Engine | None:
        return switch.new_engine or switch.old_engine

    def _cut(self, slot: Slot, switch: Switch) -> None:
        self._ledger.update_slot(gate=Gate.CUT)
        self._ledger.note(switch, fill_in("the time for draining is over: running answers end now"))

    def _stop_old(self, slot: Slot, switch: Switch) -> None:
        engine = switch.old_engine
        if engine is None:
            return
        runtime = self._dependencies.runtime_of(engine.runtime)
        outcome = self._dependencies.effects.attempt(
            ("stop", engine.name), partial(runtime.ask_to_stop, engine.name)
        )
        if outcome is not None and outcome.error is None:
            self._ledger.update_engine(engine, asked_to_stop_at=now())

    def _sleep_old(self, slot: Slot, switch: Switch) -> None:
        engine = switch.old_engine
        if engine is None or not self._sleepers.make_room(slot, engine, keep=get_recipe(switch).wakes):
            return
        outcome = self._dependencies.effects.attempt(
            ("sleep", engine.name), partial(self._dependencies.control.sleep, engine)
        )
        if outcome is None:
            return
        if outcome.error is None:
            self._ledger.update_engine(engine, state=EngineState.ASLEEP)
            return
        # It cannot be parked: it ends, as any other.
        self._ledger.note(
            switch, fill_in("{engine} would not sleep: {error}", engine=engine.name, error=outcome.error)
        )
        recipe = replace(get_recipe(switch), parks_old=False)
        self._ledger.update_switch(switch, recipe=recipe.to_json())

    def _remove(self, switch: Switch, engine: Engine | None) -> None:
        if engine is None:
            return
        if (watch := self._working_state.read_log(engine.name)) is not None:
            watch.save()
        runtime = self._dependencies.runtime_of(engine.runtime)
        outcome = self._dependencies.effects.attempt(
            ("remove", engine.name), partial(runtime.remove, engine.name)
        )
        if outcome is None:
            return
        if outcome.error is not None:
            log.warning("engine_not_removed", engine=engine.name, error=str(outcome.error))
            return
        self._working_state.forget_engine(engine.name)
        if engine.ended_at is None:
            self._ledger.update_engine(engine, state=EngineState.ENDED, ended_at=now())

    def _remove_orphans(self, slot: Slot, switch: Switch) -> None:
        remove_orphans(self._dependencies, self._observer.list_orphans(slot, switch) or [])

    def _start_restored(self, slot: Slot, switch: Switch) -> None:
        if switch.restored_engine is None:
            self.end_lost_sleepers(slot)
            self._transitions.prepare_restored(slot, switch)
            return
        self._start(slot, switch, switch.restored_engine)

    def _start(self, slot: Slot, switch: Switch, engine: Engine | None) -> None:
        if engine is None:
            return
        if engine.state == EngineState.ASLEEP:
            work: Callable[[], Any] = partial(self._dependencies.control.wake_up, engine)
        else:
            work = partial(start_engine, self._dependencies, slot, engine)
        outcome = self._dependencies.effects.attempt(("start", engine.name), work)
        if outcome is None or isinstance(outcome.error, RuntimeUnavailable):
            return
        is_restore = engine == switch.restored_engine
        if outcome.error is not None:
            self._fail(switch, explain(outcome.error), is_restore=is_restore)
        elif isinstance(outcome.value, Instance):
            found: Instance = outcome.value
            self._ledger.update_engine(
                engine,
                reference=found.reference or found.name,
                base_url=found.base_url,
                image_digest=found.image_digest,
            )
        else:
            # Awake: its graphs and caches are as they were.
            self._ledger.update_engine(engine, state=EngineState.STARTING, asked_to_stop_at=None)

    def _verify(self, slot: Slot, switch: Switch, engine: Engine | None) -> None:
        if engine is None:
            return
        if self._working_state.web_reach.is_waiting(engine.name):
            self._look_from_web(switch, engine)
            return
        planned = find_recipe(switch) if engine == switch.old_engine else None
        recipe = planned or read_engine_recipe(engine)
        work = partial(verify_engine, self._dependencies, slot, engine, recipe)
        outcome = self._dependencies.effects.attempt(("verify", engine.name), work)
        if outcome is None:
            return
        if outcome.error is None:
            self._working_state.cards[engine.name] = outcome.value
            self._look_from_web(switch, engine)
            return
        self._fail(switch, explain(outcome.error), is_restore=engine == switch.restored_engine)
        self._working_state.verified[engine.name] = Check.FAILED

    def _look_from_web(self, switch: Switch, engine: Engine) -> None:
        """What the switcher found good counts once web processes reach it. What served before comes back
        without: requests that hear why it is not reached are better off than with nothing."""
        check, cause = Check.PASSED, None
        if engine == switch.new_engine:
            check, cause = self._working_state.web_reach.look(engine, time.monotonic())
        if cause is not None:
            self._fail(switch, cause)
        self._working_state.verified[engine.name] = check

    def _retry(self, slot: Slot, switch: Switch) -> None:
        cause = RootCause.parse(switch.root_cause or {})
        if cause.retry_max_model_len is None:
            return
        # What was planned: the profile may have been edited or deleted by now.
        recipe = find_recipe(switch)
        planned = read_own_profile(recipe.spec).spec if recipe else None
        if planned is None:
            self._transitions.move(slot, switch, SwitchState.ROLLING_BACK)
            return
        plan = switch.plan or {}
        spec = replace(planned, max_model_len=cause.retry_max_model_len)
        arguments = build_serve_arguments(spec, tensor_parallel_size=plan.get("tensor_parallel_size"))
        self._transitions.retry(slot, switch, arguments, cause.retry_max_model_len)

    def _fail(self, switch: Switch, cause: RootCause, *, is_restore: bool = False) -> None:
        engine = switch.restored_engine if is_restore else switch.new_engine
        watch = self._working_state.read_log(engine.name) if engine is not None else None
        tail = watch.log.tail(60) if watch is not None else []
        self._ledger.record_failure(switch, cause, log_tail=tail, is_restore=is_restore)


def start_engine(dependencies: SwitcherDependencies, slot: Slot, engine: Engine) -> Instance:
    """Start what the row says, once it has passed the lists again. Raises RuntimeFailure."""
    workload = to_workload(
        read_engine_recipe(engine),
        dependencies.config,
        name=engine.name,
        slot=slot,
        generation=engine.generation,
        api_key=find_engine_key(engine, dependencies.config),
    )
    return dependencies.runtime_of(engine.runtime).start(workload)


def verify_engine(
    dependencies: SwitcherDependencies, slot: Slot, engine: Engine, recipe: Recipe
) -> list[dict[str, Any]]:
    """The engine's cards, once it answers as the recipe says. One that goes on under a changed recipe has as
    many replicas as that says first. Raises EngineMismatch or RuntimeFailure."""
    started = read_engine_recipe(engine)
    if (recipe.replicas, recipe.max_replicas) != (started.replicas, started.max_replicas):
        workload = to_workload(
            recipe, dependencies.config, name=engine.name, slot=slot, generation=engine.generation
        )
        dependencies.runtime_of(engine.runtime).resize(workload)
    return dependencies.control.verify(
        engine, least_context=recipe.least_context, is_pooling=recipe.is_pooling
    )


def remove_orphans(dependencies: SwitcherDependencies, orphans: list[tuple[str, str]]) -> None:
    """Remove workloads that carry the slot's label and belong to no open row."""
    for runtime, name in orphans:
        outcome = dependencies.effects.attempt(
            ("remove", name), partial(dependencies.runtime_of(runtime).remove, name)
        )
        if outcome is None:
            continue
        if outcome.error is not None:
            log.warning("stray_not_removed", engine=name, error=str(outcome.error))
        else:
            log.info("stray_removed", engine=name)
