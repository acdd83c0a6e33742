"""Every state of a switch against every observation: what is done, and what must never be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelops.domain.switching.rules import next_step
from modelops.domain.switching.states import (
    Check,
    DrainPolicy,
    EngineObservation,
    Observation,
    Step,
    SwitchState,
    WorkloadStatus,
)
from modelops.tests.domain.rule_examples import (
    PLANNED,
    RUNNING,
    SERVING,
    STOPPED,
    A,
    S,
    go,
    stay,
    with_new,
    with_restored,
)

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
    ("a cluster has room for both", S.PLANNED, replace(PLANNED, starts_beside=True), go(S.STARTING)),
    (
        "the one beside it failed",
        S.ROLLING_BACK,
        replace(PLANNED, new=replace(RUNNING, has_failed=True)),
        stay(A.REMOVE_NEW),
    ),
    (
        "the one beside it is gone",
        S.ROLLING_BACK,
        replace(PLANNED, new=EngineObservation(status=WorkloadStatus.ABSENT)),
        go(S.ROLLED_BACK),
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
