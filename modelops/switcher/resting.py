"""Puts a slot to rest while nobody uses it, and asks for the switch that wakes it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from django.utils import timezone

from gateway.wording import fill_in
from modelops.domain.runtimes import get_traits
from modelops.domain.switching.resting import (
    IdleAction,
    IdleWatch,
    RestObservation,
    RestState,
    RestStep,
    next_rest_step,
)
from modelops.domain.switching.states import WorkloadStatus
from modelops.models import Engine, EngineState, Gate, ModelProfile, Slot
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.draining import WebProcess, have_drained, list_alive
from modelops.switcher.ledger import AWAKE, Ledger, SlotRows, ended
from modelops.switcher.observing import Observer, is_grace_over
from modelops.switcher.poll_urgency import PollUrgency
from modelops.switcher.sleep_planning import has_host_memory
from modelops.switcher.sleepers import SleeperKeeper
from modelops.switcher.working_state import WorkingState
from modelops.switcher.workloads import read_engine_recipe

log = structlog.get_logger()

USE_PERIOD = timedelta(seconds=30)
"""How much later a use must be than the one on record to be put on record."""
RULE_PERIOD_S = 5.0
"""How often a profile is read for when it is to rest."""


@dataclass(frozen=True)
class IdleRule:
    """When an engine is to rest, and how. `after_s` is None where it never does."""

    after_s: float | None = None
    action: IdleAction = IdleAction.STOP


class Rester:
    """Acts for one slot while no switch does; only the lease's holder makes any call."""

    def __init__(
        self,
        dependencies: SwitcherDependencies,
        ledger: Ledger,
        observer: Observer,
        working_state: WorkingState,
        sleepers: SleeperKeeper,
    ) -> None:
        self._sleepers = sleepers
        self._dependencies = dependencies
        self._ledger = ledger
        self._observer = observer
        self._working_state = working_state
        self._watch = IdleWatch()
        self._watched: tuple[str, datetime | None] = ("", None)
        """The engine that is watched, and since when it serves: one that was woken begins anew."""
        self._rule = IdleRule()
        self._rule_at = 0.0
        self._will_not_sleep = False

    def note(self, slot: Slot, web_processes: Sequence[WebProcess]) -> None:
        """Take in what web processes report of their requests, and put on record when there was one last."""
        engine = slot.active_engine
        if engine is None:
            return
        self._follow(engine)
        now = time.time()
        self._watch.begin_look()
        for web in web_processes:
            entry = web.slots.get(str(slot.pk))
            if entry is not None:
                running = entry.get("open", 0) + entry.get("waiting", 0)
                self._watch.note(
                    web.id, web.seen_at, open_requests=running, idle_s=entry.get("idle_s"), at=now
                )
        self._record_use(engine)

    def take_step(self, rows: SlotRows, status: WorkloadStatus) -> PollUrgency | None:
        """One step towards rest or back; None where there is none, and everything else may be done.

        `status` is that of the engine that serves.
        """
        slot = rows.slot
        engine = slot.active_engine or slot.last_good_engine
        if engine is None or not _can_rest(engine):
            return None
        seen = self._observe(rows, engine, status)
        step = next_rest_step(seen)
        if step not in (RestStep.NOTHING, RestStep.WAIT):
            self._carry_out(step, slot, engine)
        if step is RestStep.NOTHING:
            return None
        return PollUrgency.MOVING if step in _TRANSITIONS else PollUrgency.WAITING

    def _observe(self, rows: SlotRows, engine: Engine, status: WorkloadStatus) -> RestObservation:
        slot, now = rows.slot, timezone.now()
        state = RestState(slot.rest)
        alive: Sequence[WebProcess] = ()
        if state is RestState.CLOSING:
            alive = list_alive(self._working_state.web_processes, time.monotonic())
        is_leaving = state is RestState.LEAVING
        return RestObservation(
            state=state,
            engine=self._observer.read_status(engine) if is_leaving else status,
            is_idle=state is RestState.AWAKE and slot.active_engine is not None and self._is_idle(engine),
            is_wake_asked=slot.wake_asked_at is not None,
            has_waiting=rows.waiting is not None,
            is_busy=self._watch.is_busy or any(_has_requests(web, slot) for web in alive),
            is_drained=state is RestState.CLOSING and have_drained(slot, alive),
            closed_for_s=(now - slot.changed_at).total_seconds() if state is RestState.CLOSING else 0.0,
            sleeps=is_leaving and self._sleeps(engine),
            was_asked_to_stop=engine.asked_to_stop_at is not None,
            is_grace_over=is_leaving and is_grace_over(engine, now),
        )

    def _carry_out(self, step: RestStep, slot: Slot, engine: Engine) -> None:
        """Raises LeaseLost or StateMoved; then nothing is written."""
        match step:
            case RestStep.CLOSE:
                self._ledger.update_slot(gate=Gate.CLOSED, rest=RestState.CLOSING, wake_asked_at=None)
            case RestStep.REOPEN:
                # Also where a web process was silent: it is tried again when the time is over once more.
                self._watch.use(time.time())
                self._watch.begin_look()
                self._ledger.update_slot(gate=Gate.OPEN, **AWAKE)
            case RestStep.LEAVE:
                self._will_not_sleep = False
                self._ledger.leave_active()
            case RestStep.SLEEP:
                self._sleep(slot, engine)
            case RestStep.ASK_TO_STOP:
                self._ask_to_stop(engine)
            case RestStep.REMOVE:
                self._remove(engine)
            case RestStep.SETTLE:
                self._settle(engine)
            case RestStep.WAKE:
                self._ledger.start_system_switch(
                    slot, slot.desired_profile or engine.profile, reason=fill_in("a request woke it")
                )

    def _follow(self, engine: Engine) -> None:
        """Begin with another engine: what its row says of its use."""
        if self._watched == (engine.name, engine.ready_at):
            return
        self._watched, self._watch, self._rule_at = (engine.name, engine.ready_at), IdleWatch(), 0.0
        for moment in (engine.ready_at, engine.last_used_at):
            if moment is not None:
                self._watch.use(moment.timestamp())

    def _record_use(self, engine: Engine) -> None:
        used_at = self._watch.used_at
        moment = timezone.now() if used_at is None else datetime.fromtimestamp(used_at, tz=UTC)
        known = engine.last_used_at or engine.ready_at
        if known is None or moment - known > USE_PERIOD:
            self._ledger.update_engine(engine, last_used_at=moment)

    def _is_idle(self, engine: Engine) -> bool:
        rule = self._read_rule(engine)
        return (
            self._watched == (engine.name, engine.ready_at)
            and rule.after_s is not None
            and self._watch.idle_for_s(time.time()) >= rule.after_s
        )

    def _read_rule(self, engine: Engine) -> IdleRule:
        """As the profile says now; what the engine was started with where the profile is gone."""
        now = time.monotonic()
        if now >= self._rule_at:
            self._rule_at = now + RULE_PERIOD_S
            columns = ("idle_after_s", "idle_action")
            values = ModelProfile.objects.filter(slug=engine.profile).values(*columns).first() or engine.spec
            action = values.get("idle_action") or IdleAction.STOP
            self._rule = IdleRule(values.get("idle_after_s"), IdleAction(action))
        return self._rule

    def _sleeps(self, engine: Engine) -> bool:
        """Whether it goes to sleep, and is not stopped: it would, and host memory holds its weights."""
        if engine.state == EngineState.ASLEEP:
            return True
        is_wanted = self._read_rule(engine).action is IdleAction.SLEEP
        can_sleep = read_engine_recipe(engine).can_sleep and not self._will_not_sleep
        if get_traits(engine.runtime).places_engines:
            return False
        return is_wanted and can_sleep and engine.asked_to_stop_at is None and self._has_host_memory(engine)

    def _has_host_memory(self, engine: Engine) -> bool:
        return has_host_memory(engine, self._dependencies.config)

    def _sleep(self, slot: Slot, engine: Engine) -> None:
        if not self._sleepers.make_room(slot, engine):
            return
        work = partial(self._dependencies.control.sleep, engine)
        outcome = self._dependencies.effects.attempt(("sleep", engine.name), work)
        if outcome is None:
            return
        if outcome.error is None:
            self._ledger.settle_rest(engine, state=EngineState.ASLEEP)
            return
        log.warning("engine_would_not_sleep", engine=engine.name, error=str(outcome.error))
        self._will_not_sleep = True

    def _ask_to_stop(self, engine: Engine) -> None:
        work = partial(self._dependencies.runtime_of(engine.runtime).ask_to_stop, engine.name)
        outcome = self._dependencies.effects.attempt(("stop", engine.name), work)
        if outcome is not None and outcome.error is None:
            self._ledger.update_engine(engine, asked_to_stop_at=timezone.now())

    def _remove(self, engine: Engine) -> None:
        if (watch := self._working_state.read_log(engine.name)) is not None:
            watch.save()
        work = partial(self._dependencies.runtime_of(engine.runtime).remove, engine.name)
        outcome = self._dependencies.effects.attempt(("remove", engine.name), work)
        if outcome is not None and outcome.error is not None:
            log.warning("engine_not_removed", engine=engine.name, error=str(outcome.error))

    def _settle(self, engine: Engine) -> None:
        if engine.state == EngineState.ASLEEP:
            self._ledger.settle_rest(engine, state=EngineState.ASLEEP)
            return
        self._working_state.forget_engine(engine.name)
        self._ledger.settle_rest(engine, **ended(fill_in("nobody used it")))


_TRANSITIONS = (RestStep.CLOSE, RestStep.REOPEN, RestStep.LEAVE, RestStep.SETTLE, RestStep.WAKE)
"""After these there is more to see at once."""


def _can_rest(engine: Engine) -> bool:
    """Not what others run, nor one of several engines that share their requests."""
    return get_traits(engine.runtime).is_managed and (engine.spec.get("replicas") or 1) == 1


def _has_requests(web: WebProcess, slot: Slot) -> bool:
    entry = web.slots.get(str(slot.pk)) or {}
    return bool(entry.get("open") or entry.get("waiting"))
