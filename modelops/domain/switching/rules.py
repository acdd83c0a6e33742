"""Which step comes next: one rule per state, each reading only what is seen."""

from __future__ import annotations

from collections.abc import Callable

from modelops.domain.switching.states import (
    DEAD,
    GONE,
    ROLL_BACK,
    WAIT,
    Action,
    Check,
    DrainPolicy,
    EngineObservation,
    Observation,
    Step,
    SwitchState,
    WorkloadStatus,
    move,
)


def next_step(state: SwitchState, seen: Observation) -> Step:
    """The one thing to do now. Total: every state and observation has an answer; final states wait."""
    rule = _RULES.get(state)
    return rule(seen) if rule else WAIT


def _requested(seen: Observation) -> Step:
    return move(SwitchState.CANCELLED if seen.is_cancel_asked else SwitchState.PLANNED)


def _planned(seen: Observation) -> Step:
    if seen.is_cancel_asked:
        return move(SwitchState.CANCELLED)
    if seen.plan is Check.PENDING:
        return Step(Action.MAKE_PLAN)
    if seen.plan is Check.FAILED and seen.restores_if_refused:
        return ROLL_BACK
    if Check.FAILED in (seen.plan, seen.prefetch):
        return move(SwitchState.REJECTED)
    is_old_dead = seen.old.status in DEAD or seen.old.has_failed
    if seen.is_old_pointed_to and is_old_dead and seen.prefetch is Check.PENDING:
        # Fetching may take hours; what served has to be restarted now, which waits for the slot to be free.
        return move(SwitchState.REJECTED)
    if seen.keeps_engine:
        return move(SwitchState.VERIFYING)
    if seen.prefetch is Check.PENDING:
        return Step(Action.PREFETCH)
    if seen.starts_beside and seen.is_old_pointed_to:
        return move(SwitchState.STARTING)
    return move(SwitchState.DRAINING)


def _draining(seen: Observation) -> Step:
    if seen.is_cancel_asked:
        return move(SwitchState.CANCELLED)
    if seen.is_drained or seen.old.status in DEAD:
        return move(SwitchState.STOPPING)
    if not seen.is_drain_over or seen.drain_policy is DrainPolicy.WAIT:
        return WAIT
    if seen.drain_policy is DrainPolicy.ABANDON:
        return move(SwitchState.CANCELLED)
    if not seen.is_cut:
        return Step(Action.CUT)
    return move(SwitchState.STOPPING) if seen.is_cut_over else WAIT


def _stopping(seen: Observation) -> Step:
    if seen.is_cancel_asked:
        return ROLL_BACK
    if seen.parks_old and seen.old.status is WorkloadStatus.RUNNING and not seen.old.has_failed:
        return Step(Action.SLEEP_OLD)
    if seen.old.status in GONE or (seen.parks_old and seen.old.status is WorkloadStatus.ASLEEP):
        return move(SwitchState.CLEARING)
    return _end(seen, seen.old, remove=Action.REMOVE_OLD, ask=Action.STOP_OLD)


def _clearing(seen: Observation) -> Step:
    if seen.is_cancel_asked:
        return ROLL_BACK
    if seen.has_orphans:
        return Step(Action.REMOVE_ORPHANS)
    if seen.has_orphans is not None and seen.is_memory_free:
        return move(SwitchState.STARTING)
    return ROLL_BACK if seen.is_clear_over else WAIT


def _starting(seen: Observation) -> Step:
    new = seen.new
    if seen.is_cancel_asked or new.has_failed:
        return _give_up(seen)
    if new.status is WorkloadStatus.RUNNING and new.was_started:
        return move(SwitchState.LOADING)
    if seen.is_start_over:
        return _give_up(seen)
    if new.status is WorkloadStatus.UNKNOWN:
        return WAIT
    if new.status is WorkloadStatus.EXITED or (new.status is WorkloadStatus.ABSENT and new.was_started):
        return _give_up(seen)
    return Step(Action.START_NEW)


def _loading(seen: Observation) -> Step:
    if seen.is_cancel_asked or seen.new.has_failed or seen.new.status in (*DEAD, WorkloadStatus.ASLEEP):
        return _give_up(seen)
    return move(SwitchState.VERIFYING) if seen.new.is_ready else WAIT


def _verifying(seen: Observation) -> Step:
    engine = seen.old if seen.keeps_engine else seen.new
    if seen.is_cancel_asked or engine.status in DEAD or engine.verification is Check.FAILED:
        return _give_up(seen)
    if engine.verification is Check.PASSED:
        return move(SwitchState.ACTIVE) if engine.status is WorkloadStatus.RUNNING else WAIT
    return Step(Action.VERIFY_OLD if seen.keeps_engine else Action.VERIFY_NEW)


def _give_up(seen: Observation) -> Step:
    """One more try with a safe remedy where there is one, else back to what served before."""
    if seen.may_retry and not seen.is_cancel_asked:
        return Step(Action.RETRY, SwitchState.CLEARING)
    return ROLL_BACK


def _rolling_back(seen: Observation) -> Step:
    if seen.is_old_pointed_to:
        # It never stopped serving: nothing has to be undone but the closed gate, or what started beside it.
        if seen.new.status is WorkloadStatus.UNKNOWN:
            return WAIT
        return move(SwitchState.ROLLED_BACK) if seen.new.status in GONE else Step(Action.REMOVE_NEW)
    if seen.new.status is WorkloadStatus.UNKNOWN or seen.restored.status is WorkloadStatus.UNKNOWN:
        return WAIT
    if seen.new.status not in GONE:
        return Step(Action.REMOVE_NEW)
    restored = seen.restored
    if restored.status is WorkloadStatus.NONE or (
        restored.status is not WorkloadStatus.RUNNING and not restored.was_started
    ):
        return _prepare_restore(seen)
    if restored.has_failed or restored.verification is Check.FAILED or restored.status in DEAD:
        return _fall(seen)
    if restored.status is WorkloadStatus.ASLEEP or not restored.was_started:
        return Step(Action.START_RESTORED)
    if restored.verification is Check.PASSED:
        return move(SwitchState.ROLLED_BACK)
    return Step(Action.VERIFY_RESTORED) if restored.is_ready else WAIT


def _prepare_restore(seen: Observation) -> Step:
    if not seen.can_restore or seen.restored.has_failed:
        return _fall(seen)
    if seen.old.status not in GONE and not (seen.parks_old and seen.old.status is WorkloadStatus.ASLEEP):
        # It was told to stop, or does not sleep yet: whatever is left of it makes room for its successor.
        return Step(Action.REMOVE_OLD)
    if seen.has_orphans:
        return Step(Action.REMOVE_ORPHANS)
    if seen.has_orphans is None or (not seen.is_memory_free and not seen.is_clear_over):
        return WAIT
    return Step(Action.START_RESTORED)


def _fall(seen: Observation) -> Step:
    """Nothing can be restored: leave the cards empty and say so."""
    if seen.restored.status not in GONE:
        return Step(Action.REMOVE_RESTORED)
    if seen.old.status is WorkloadStatus.UNKNOWN:
        return WAIT
    if seen.old.status not in GONE:
        return Step(Action.REMOVE_OLD)
    return move(SwitchState.DEGRADED)


def _end(seen: Observation, engine: EngineObservation, *, ask: Action, remove: Action) -> Step:
    """Ask, wait for as long as is its due, then remove what is left."""
    if engine.status is WorkloadStatus.UNKNOWN:
        return WAIT
    if engine.status is WorkloadStatus.RUNNING and not seen.is_grace_over:
        return WAIT if engine.was_asked_to_stop else Step(ask)
    return Step(remove)


_RULES: dict[SwitchState, Callable[[Observation], Step]] = {
    SwitchState.REQUESTED: _requested,
    SwitchState.PLANNED: _planned,
    SwitchState.DRAINING: _draining,
    SwitchState.STOPPING: _stopping,
    SwitchState.CLEARING: _clearing,
    SwitchState.STARTING: _starting,
    SwitchState.LOADING: _loading,
    SwitchState.VERIFYING: _verifying,
    SwitchState.ROLLING_BACK: _rolling_back,
}
