"""What holds for whatever the switcher may observe of a switch."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from modelops.domain.switching.rules import next_step
from modelops.domain.switching.states import (
    ACTING_STATES,
    DEAD,
    FINAL_STATES,
    GONE,
    Check,
    DrainPolicy,
    EngineObservation,
    Observation,
    Step,
    SwitchState,
    WorkloadStatus,
)
from modelops.tests.domain.rule_examples import (
    A,
    S,
    go,
)

FLAGS = [
    "is_cancel_asked",
    "is_old_pointed_to",
    "is_drained",
    "is_drain_over",
    "is_cut",
    "is_cut_over",
    "is_grace_over",
    "is_clear_over",
    "is_start_over",
    "restores_if_refused",
    "may_retry",
    "can_restore",
    "keeps_engine",
    "parks_old",
    "starts_beside",
]
view = st.builds(
    EngineObservation,
    status=st.sampled_from(WorkloadStatus),
    was_started=st.booleans(),
    was_asked_to_stop=st.booleans(),
    is_ready=st.booleans(),
    verification=st.sampled_from(Check),
    has_failed=st.booleans(),
)
observations = st.builds(
    Observation,
    plan=st.sampled_from(Check),
    prefetch=st.sampled_from(Check),
    drain_policy=st.sampled_from(DrainPolicy),
    old=view,
    new=view,
    restored=view,
    has_orphans=st.none() | st.booleans(),
    is_memory_free=st.none() | st.booleans(),
    **{flag: st.booleans() for flag in FLAGS},
)
STARTS = (A.START_NEW, A.START_RESTORED)
ENDS_OLD = (A.STOP_OLD, A.REMOVE_OLD, A.SLEEP_OLD)
AFTER = {
    S.REQUESTED: {S.PLANNED, S.CANCELLED},
    S.PLANNED: {S.DRAINING, S.STARTING, S.VERIFYING, S.REJECTED, S.CANCELLED, S.ROLLING_BACK},
    S.DRAINING: {S.STOPPING, S.CANCELLED},
    S.STOPPING: {S.CLEARING, S.ROLLING_BACK},
    S.CLEARING: {S.STARTING, S.ROLLING_BACK},
    S.STARTING: {S.LOADING, S.CLEARING, S.ROLLING_BACK},
    S.LOADING: {S.VERIFYING, S.CLEARING, S.ROLLING_BACK},
    S.VERIFYING: {S.ACTIVE, S.CLEARING, S.ROLLING_BACK},
    S.ROLLING_BACK: {S.ROLLED_BACK, S.DEGRADED},
}


@given(state=st.sampled_from(SwitchState), seen=observations)
def test_every_state_has_an_answer_and_only_its_own_arrows(state: SwitchState, seen: Observation) -> None:
    step = next_step(state, seen)

    assert step.to is None or step.to in AFTER[state]
    if state in FINAL_STATES:
        assert step == Step(A.WAIT)


@given(state=st.sampled_from([S.REQUESTED, S.PLANNED, S.DRAINING]), seen=observations)
def test_the_old_engine_is_not_touched_before_the_plan_stands_and_answers_are_through(
    state: SwitchState, seen: Observation
) -> None:
    step = next_step(state, seen)

    assert step.action not in (*ENDS_OLD, *STARTS)
    if step.to in (S.DRAINING, S.STARTING):
        assert seen.plan is Check.PASSED
        assert seen.prefetch is Check.PASSED
    if step.to is S.STOPPING:
        assert seen.is_drained or seen.is_cut_over or seen.old.status in DEAD


@given(state=st.sampled_from(ACTING_STATES), seen=observations)
def test_no_engine_is_started_while_another_one_may_run_on_the_slot(
    state: SwitchState, seen: Observation
) -> None:
    step = next_step(state, seen)

    if step.to is S.STARTING and state is S.PLANNED:
        # A cluster has room for both.
        assert seen.starts_beside
        assert seen.is_old_pointed_to
    elif step.to is S.STARTING:
        assert state is S.CLEARING
        assert seen.has_orphans is False
        assert seen.is_memory_free
    if step.to is S.CLEARING and state is S.STOPPING:
        assert seen.old.status in (*GONE, WorkloadStatus.ASLEEP)
    if step.action is A.START_RESTORED and seen.restored.status is WorkloadStatus.NONE:
        assert seen.new.status in GONE
        assert seen.old.status in (*GONE, WorkloadStatus.ASLEEP)
        assert seen.has_orphans is False


@given(state=st.sampled_from(ACTING_STATES), seen=observations)
def test_nothing_is_made_active_that_was_not_seen_running_and_verified(
    state: SwitchState, seen: Observation
) -> None:
    step = next_step(state, seen)

    if step.to is S.ACTIVE:
        engine = seen.old if seen.keeps_engine else seen.new
        assert engine.status is WorkloadStatus.RUNNING
        assert engine.verification is Check.PASSED
    if step.to is S.ROLLED_BACK and not seen.is_old_pointed_to:
        assert seen.restored.status is WorkloadStatus.RUNNING
        assert seen.restored.verification is Check.PASSED


@given(state=st.sampled_from([S.STOPPING, S.CLEARING, S.STARTING, S.LOADING, S.VERIFYING]), seen=observations)
def test_a_cancel_is_followed_at_once_from_every_state_of_no_return(
    state: SwitchState, seen: Observation
) -> None:
    step = next_step(state, replace(seen, is_cancel_asked=True))

    assert step == go(S.ROLLING_BACK)


@given(seen=observations)
def test_nothing_is_decided_about_an_engine_whose_runtime_is_silent(seen: Observation) -> None:
    silent = EngineObservation(status=WorkloadStatus.UNKNOWN, was_started=True)

    stopping = next_step(S.STOPPING, replace(seen, old=silent, is_cancel_asked=False, parks_old=False))
    rolling = next_step(S.ROLLING_BACK, replace(seen, new=silent, is_old_pointed_to=False))

    assert stopping == Step(A.WAIT)
    assert rolling == Step(A.WAIT)
