"""Every state of a switch against every observation: what is done, and what must never be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.domain.switching.maintenance import Maintenance, SlotObservation, backoff_s, next_maintenance
from modelops.domain.switching.rules import next_step
from modelops.domain.switching.states import (
    ACTING_STATES,
    DEAD,
    FINAL_STATES,
    GONE,
    Action,
    Check,
    DrainPolicy,
    EngineObservation,
    Observation,
    Step,
    SwitchState,
    WorkloadStatus,
)

S, A = SwitchState, Action
RUNNING = EngineObservation(status=WorkloadStatus.RUNNING, was_started=True)
SERVING = replace(RUNNING, is_ready=True, verification=Check.PASSED)
PLANNED = Observation(plan=Check.PASSED, prefetch=Check.PASSED, old=RUNNING, is_old_pointed_to=True)
STOPPED = replace(PLANNED, old=EngineObservation(status=WorkloadStatus.ABSENT), is_old_pointed_to=False)


def go(to: SwitchState) -> Step:
    return Step(A.MOVE, to)


def stay(action: Action) -> Step:
    return Step(action)


def with_new(**view: object) -> Observation:
    return replace(STOPPED, new=replace(RUNNING, **view))  # type: ignore[arg-type]


def with_restored(**view: object) -> Observation:
    return replace(STOPPED, can_restore=True, restored=replace(RUNNING, **view))  # type: ignore[arg-type]


STORY: list[tuple[str, SwitchState, Observation, Step]] = [
    ("its turn has come", S.REQUESTED, Observation(), go(S.PLANNED)),
    ("cancelled while it waits", S.REQUESTED, Observation(is_cancel_asked=True), go(S.CANCELLED)),
    ("not planned yet", S.PLANNED, Observation(), stay(A.MAKE_PLAN)),
    ("plan refused", S.PLANNED, Observation(plan=Check.FAILED), go(S.REJECTED)),
    ("plan accepted", S.PLANNED, Observation(plan=Check.PASSED), stay(A.PREFETCH)),
    ("fetch failed", S.PLANNED, replace(PLANNED, prefetch=Check.FAILED), go(S.REJECTED)),
    ("all is here", S.PLANNED, PLANNED, go(S.DRAINING)),
    ("only names change", S.PLANNED, replace(PLANNED, keeps_engine=True), go(S.VERIFYING)),
    ("cancelled while planned", S.PLANNED, replace(PLANNED, is_cancel_asked=True), go(S.CANCELLED)),
    (
        "old one died while weights are fetched",
        S.PLANNED,
        replace(PLANNED, prefetch=Check.PENDING, old=EngineObservation(status=WorkloadStatus.EXITED)),
        go(S.REJECTED),
    ),
    (
        "old one died, all is here",
        S.PLANNED,
        replace(PLANNED, old=EngineObservation(status=WorkloadStatus.EXITED)),
        go(S.DRAINING),
    ),
    ("answers still run", S.DRAINING, PLANNED, stay(A.WAIT)),
    ("drained", S.DRAINING, replace(PLANNED, is_drained=True), go(S.STOPPING)),
    ("old one died meanwhile", S.DRAINING, STOPPED, go(S.STOPPING)),
    (
        "time over, policy wait",
        S.DRAINING,
        replace(PLANNED, is_drain_over=True, drain_policy=DrainPolicy.WAIT),
        stay(A.WAIT),
    ),
    (
        "time over, policy abandon",
        S.DRAINING,
        replace(PLANNED, is_drain_over=True, drain_policy=DrainPolicy.ABANDON),
        go(S.CANCELLED),
    ),
    ("time over, policy cut", S.DRAINING, replace(PLANNED, is_drain_over=True), stay(A.CUT)),
    ("cut, still ending", S.DRAINING, replace(PLANNED, is_drain_over=True, is_cut=True), stay(A.WAIT)),
    (
        "cut, and some never end",
        S.DRAINING,
        replace(PLANNED, is_drain_over=True, is_cut=True, is_cut_over=True),
        go(S.STOPPING),
    ),
    ("cancelled while draining", S.DRAINING, replace(PLANNED, is_cancel_asked=True), go(S.CANCELLED)),
    ("old one runs", S.STOPPING, replace(PLANNED, is_old_pointed_to=False), stay(A.STOP_OLD)),
    (
        "old one is ending",
        S.STOPPING,
        replace(STOPPED, old=replace(RUNNING, was_asked_to_stop=True)),
        stay(A.WAIT),
    ),
    (
        "old one does not end",
        S.STOPPING,
        replace(STOPPED, old=replace(RUNNING, was_asked_to_stop=True), is_grace_over=True),
        stay(A.REMOVE_OLD),
    ),
    (
        "old one ended",
        S.STOPPING,
        replace(STOPPED, old=EngineObservation(status=WorkloadStatus.EXITED)),
        stay(A.REMOVE_OLD),
    ),
    ("old one is gone", S.STOPPING, STOPPED, go(S.CLEARING)),
    ("old one is parked", S.STOPPING, replace(STOPPED, old=RUNNING, parks_old=True), stay(A.SLEEP_OLD)),
    (
        "old one sleeps",
        S.STOPPING,
        replace(STOPPED, old=EngineObservation(status=WorkloadStatus.ASLEEP), parks_old=True),
        go(S.CLEARING),
    ),
    ("cancelled while stopping", S.STOPPING, replace(STOPPED, is_cancel_asked=True), go(S.ROLLING_BACK)),
    ("something is left", S.CLEARING, replace(STOPPED, has_orphans=True), stay(A.REMOVE_ORPHANS)),
    ("memory is held", S.CLEARING, replace(STOPPED, is_memory_free=False), stay(A.WAIT)),
    (
        "memory stays held",
        S.CLEARING,
        replace(STOPPED, is_memory_free=False, is_clear_over=True),
        go(S.ROLLING_BACK),
    ),
    ("cards are empty", S.CLEARING, STOPPED, go(S.STARTING)),
    (
        "not started yet",
        S.STARTING,
        with_new(status=WorkloadStatus.ABSENT, was_started=False),
        stay(A.START_NEW),
    ),
    (
        "start crashed half-way",
        S.STARTING,
        with_new(status=WorkloadStatus.CREATED, was_started=False),
        stay(A.START_NEW),
    ),
    ("runs, not on record", S.STARTING, with_new(was_started=False), stay(A.START_NEW)),
    ("started", S.STARTING, with_new(), go(S.LOADING)),
    (
        "start refused",
        S.STARTING,
        with_new(status=WorkloadStatus.CREATED, has_failed=True),
        go(S.ROLLING_BACK),
    ),
    ("loads", S.LOADING, with_new(), stay(A.WAIT)),
    ("listens", S.LOADING, with_new(is_ready=True), go(S.VERIFYING)),
    ("exits", S.LOADING, with_new(status=WorkloadStatus.EXITED), go(S.ROLLING_BACK)),
    ("vanishes", S.LOADING, with_new(status=WorkloadStatus.ABSENT), go(S.ROLLING_BACK)),
    ("stands still", S.LOADING, with_new(has_failed=True), go(S.ROLLING_BACK)),
    (
        "exits, a remedy is known",
        S.LOADING,
        replace(with_new(status=WorkloadStatus.EXITED), may_retry=True),
        Step(A.RETRY, S.CLEARING),
    ),
    ("not verified yet", S.VERIFYING, with_new(is_ready=True), stay(A.VERIFY_NEW)),
    ("verified", S.VERIFYING, replace(STOPPED, new=SERVING), go(S.ACTIVE)),
    ("is not as asked", S.VERIFYING, with_new(verification=Check.FAILED), go(S.ROLLING_BACK)),
    ("dies after all", S.VERIFYING, with_new(status=WorkloadStatus.EXITED), go(S.ROLLING_BACK)),
    (
        "cancelled at the end",
        S.VERIFYING,
        replace(STOPPED, new=SERVING, is_cancel_asked=True),
        go(S.ROLLING_BACK),
    ),
    ("old one never stopped", S.ROLLING_BACK, PLANNED, go(S.ROLLED_BACK)),
    ("new one is left", S.ROLLING_BACK, with_new(status=WorkloadStatus.EXITED), stay(A.REMOVE_NEW)),
    ("what is on the cards is not known", S.CLEARING, replace(STOPPED, has_orphans=None), stay(A.WAIT)),
    ("whether memory is free is not known", S.CLEARING, replace(STOPPED, is_memory_free=None), stay(A.WAIT)),
    (
        "that stays unknown",
        S.CLEARING,
        replace(STOPPED, is_memory_free=None, is_clear_over=True),
        go(S.ROLLING_BACK),
    ),
    (
        "its runtime does not start it",
        S.STARTING,
        replace(STOPPED, new=EngineObservation(status=WorkloadStatus.UNKNOWN), is_start_over=True),
        go(S.ROLLING_BACK),
    ),
    (
        "the old engine hangs while another one is fetched",
        S.PLANNED,
        replace(PLANNED, prefetch=Check.PENDING, old=replace(RUNNING, has_failed=True)),
        go(S.REJECTED),
    ),
    (
        "a restart is refused, and what ran before is known",
        S.PLANNED,
        replace(STOPPED, plan=Check.FAILED, restores_if_refused=True),
        go(S.ROLLING_BACK),
    ),
    (
        "nobody knows what is on the cards to go back to",
        S.ROLLING_BACK,
        replace(STOPPED, can_restore=True, has_orphans=None),
        stay(A.WAIT),
    ),
    ("nothing to go back to", S.ROLLING_BACK, STOPPED, go(S.DEGRADED)),
    ("back to the last good", S.ROLLING_BACK, replace(STOPPED, can_restore=True), stay(A.START_RESTORED)),
    ("it loads", S.ROLLING_BACK, with_restored(), stay(A.WAIT)),
    ("it listens", S.ROLLING_BACK, with_restored(is_ready=True), stay(A.VERIFY_RESTORED)),
    ("it serves", S.ROLLING_BACK, replace(with_restored(), restored=SERVING), go(S.ROLLED_BACK)),
    ("it fails", S.ROLLING_BACK, with_restored(status=WorkloadStatus.EXITED), stay(A.REMOVE_RESTORED)),
    (
        "it failed and is gone",
        S.ROLLING_BACK,
        with_restored(status=WorkloadStatus.ABSENT, has_failed=True),
        go(S.DEGRADED),
    ),
    (
        "a parked one wakes",
        S.ROLLING_BACK,
        replace(
            STOPPED, old=EngineObservation(status=WorkloadStatus.ASLEEP), parks_old=True, can_restore=True
        ),
        stay(A.START_RESTORED),
    ),
]


@pytest.mark.parametrize(("state", "seen", "step"), [row[1:] for row in STORY], ids=[row[0] for row in STORY])
def test_each_situation_leads_to_its_step(state: SwitchState, seen: Observation, step: Step) -> None:
    assert next_step(state, seen) == step


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
    S.PLANNED: {S.DRAINING, S.VERIFYING, S.REJECTED, S.CANCELLED, S.ROLLING_BACK},
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
    if step.to is S.DRAINING:
        assert seen.plan is Check.PASSED
        assert seen.prefetch is Check.PASSED
    if step.to is S.STOPPING:
        assert seen.is_drained or seen.is_cut_over or seen.old.status in DEAD


@given(state=st.sampled_from(ACTING_STATES), seen=observations)
def test_no_engine_is_started_while_another_one_may_run_on_the_slot(
    state: SwitchState, seen: Observation
) -> None:
    step = next_step(state, seen)

    if step.to is S.STARTING:
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


UPKEEP: list[tuple[str, SlotObservation, Maintenance]] = [
    ("all is well", SlotObservation(active=WorkloadStatus.RUNNING, desires=True), Maintenance.NOTHING),
    ("a switch waits", SlotObservation(active=WorkloadStatus.RUNNING, has_waiting=True), Maintenance.CLAIM),
    (
        "a switch waits, it died",
        SlotObservation(active=WorkloadStatus.EXITED, has_waiting=True),
        Maintenance.DECLARE_DEAD,
    ),
    ("a switch waits, nothing serves", SlotObservation(has_waiting=True, desires=True), Maintenance.CLAIM),
    ("it died", SlotObservation(active=WorkloadStatus.EXITED), Maintenance.DECLARE_DEAD),
    ("it vanished", SlotObservation(active=WorkloadStatus.ABSENT), Maintenance.DECLARE_DEAD),
    (
        "it hangs",
        SlotObservation(active=WorkloadStatus.RUNNING, unhealthy_for_s=31),
        Maintenance.DECLARE_DEAD,
    ),
    ("it is slow", SlotObservation(active=WorkloadStatus.RUNNING, unhealthy_for_s=29), Maintenance.NOTHING),
    (
        "its runtime is silent",
        SlotObservation(active=WorkloadStatus.UNKNOWN, unhealthy_for_s=99),
        Maintenance.NOTHING,
    ),
    (
        "somebody else's is down",
        SlotObservation(active=WorkloadStatus.RUNNING, is_external=True, unhealthy_for_s=99),
        Maintenance.NOTHING,
    ),
    ("nothing serves", SlotObservation(desires=True), Maintenance.START_DESIRED),
    ("not yet again", SlotObservation(desires=True, retry_in_s=3), Maintenance.NOTHING),
    ("nothing is wanted", SlotObservation(), Maintenance.NOTHING),
    ("remains", SlotObservation(desires=True, has_orphans=True), Maintenance.REMOVE_ORPHANS),
    (
        "remains beside it",
        SlotObservation(active=WorkloadStatus.RUNNING, has_orphans=True),
        Maintenance.REMOVE_ORPHANS,
    ),
]


@pytest.mark.parametrize(("seen", "upkeep"), [row[1:] for row in UPKEEP], ids=[row[0] for row in UPKEEP])
def test_a_slot_without_a_switch_is_kept_up(seen: SlotObservation, upkeep: Maintenance) -> None:
    assert next_maintenance(seen) is upkeep


def test_tries_come_ever_later_and_never_stop() -> None:
    waits = [backoff_s(failures) for failures in range(12)]

    assert waits == sorted(waits)
    assert waits[0] == 0
    assert waits[-1] == waits[-2] == 300
