"""Ends what runs in a slot that is being retired, then retires it."""

from __future__ import annotations

import time
from functools import partial

import structlog
from django.utils import timezone

from gateway.wording import fill_in
from modelops.domain.runtimes import get_traits
from modelops.domain.switching.retirement import (
    RetirementObservation,
    RetirementStep,
    next_retirement_step,
)
from modelops.domain.switching.states import DrainPolicy
from modelops.models import Engine, Gate, Slot
from modelops.runtimes.base import InstanceState, RuntimeFailure
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.draining import is_drained
from modelops.switcher.ledger import AWAKE, Ledger, ended
from modelops.switcher.observing import CUT_GRACE_S, STOP_GRACE_S, Observer
from modelops.switcher.working_state import WorkingState
from modelops.switcher.workloads import read_engine_recipe

log = structlog.get_logger()

ENDED_WITH_SLOT = fill_in("its slot was retired")


class Retirement:
    """One step a tick, each found anew from the rows: any switcher goes on with it."""

    def __init__(
        self,
        dependencies: SwitcherDependencies,
        ledger: Ledger,
        observer: Observer,
        working_state: WorkingState,
    ) -> None:
        self._dependencies = dependencies
        self._ledger = ledger
        self._observer = observer
        self._working_state = working_state

    def take_step(self, slot: Slot) -> bool:
        """True when there is more to do at once. Raises LeaseLost."""
        step = next_retirement_step(self._look(slot))
        match step:
            case RetirementStep.CLOSE_GATE:
                self._ledger.update_slot(gate=Gate.CLOSED)
            case RetirementStep.CUT:
                self._ledger.update_slot(gate=Gate.CUT)
            case RetirementStep.POINT_AWAY:
                self._ledger.update_slot(active_engine=None, gate=Gate.CLOSED)
            case RetirementStep.END_ENGINES:
                for engine in slot.engines.filter(ended_at=None):
                    self._end(engine)
                return False
            case RetirementStep.RETIRE:
                self._ledger.update_slot(
                    retired_at=timezone.now(), retiring_at=None, problem=None, retry_at=None, **AWAKE
                )
                log.info("slot_retired", slot=slot.slug)
        return step is not RetirementStep.WAIT

    def _look(self, slot: Slot) -> RetirementObservation:
        config, now = self._dependencies.config, timezone.now()
        waited_s = (now - slot.changed_at).total_seconds()
        is_closed = slot.active_engine_id is not None and slot.gate != Gate.OPEN
        return RetirementObservation(
            serves=slot.active_engine_id is not None,
            is_open=slot.gate == Gate.OPEN,
            is_drained=is_closed and is_drained(slot, self._working_state.web_processes, time.monotonic()),
            is_drain_over=waited_s > config.drain_timeout_s,
            drain_policy=DrainPolicy(config.drain_policy),
            is_cut=slot.gate == Gate.CUT,
            is_cut_over=waited_s > CUT_GRACE_S,
            has_engines=slot.engines.filter(ended_at=None).exists(),
        )

    def _end(self, engine: Engine) -> None:
        """Ask it to stop, then remove it; what somebody else runs is only let go of."""
        if not get_traits(engine.runtime).is_managed:
            self._ledger.update_engine(engine, **ended(ENDED_WITH_SLOT))
            return
        runtime = self._dependencies.runtime_of(engine.runtime)
        if engine.asked_to_stop_at is None:
            asked = self._dependencies.effects.attempt(
                ("stop", engine.name), partial(runtime.ask_to_stop, engine.name)
            )
            if asked is not None and asked.error is None:
                self._ledger.update_engine(engine, asked_to_stop_at=timezone.now())
            return
        waited_s = (timezone.now() - engine.asked_to_stop_at).total_seconds()
        grace_s = read_engine_recipe(engine).shutdown_timeout_s + STOP_GRACE_S
        instance = self._observer.inspect(engine)
        if instance is None or (instance.state is InstanceState.RUNNING and waited_s <= grace_s):
            return
        self._remove(engine)

    def _remove(self, engine: Engine) -> None:
        if (watch := self._working_state.read_log(engine.name)) is not None:
            watch.save()
        runtime = self._dependencies.runtime_of(engine.runtime)
        outcome = self._dependencies.effects.attempt(
            ("remove", engine.name), partial(runtime.remove, engine.name)
        )
        if outcome is None:
            return
        if isinstance(outcome.error, RuntimeFailure):
            log.warning("engine_not_removed", engine=engine.name, error=str(outcome.error))
            return
        self._working_state.forget_engine(engine.name)
        self._ledger.update_engine(engine, **ended(ENDED_WITH_SLOT))
