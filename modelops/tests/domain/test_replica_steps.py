"""What is done for the followers of a leader that serves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelops.domain.switching.replicas import (
    FollowerObservation,
    FollowersObservation,
    ReplicaAction,
    ReplicaStep,
    choose_heir,
    next_replica_step,
)
from modelops.domain.switching.states import Check, EngineObservation, WorkloadStatus

RUNNING = EngineObservation(status=WorkloadStatus.RUNNING, was_started=True)
WELL = FollowerObservation(number=1, engine=RUNNING, is_serving=True, is_like_leader=True)
SECOND = replace(WELL, number=2)
BEGUN = replace(WELL, is_serving=False)
LEAVING = replace(WELL, is_leaving=True)
ASKED = replace(RUNNING, was_asked_to_stop=True)
OTHER = replace(WELL, is_like_leader=False)
NOTHING = ReplicaAction.NOTHING


def seen(wanted: int, *followers: FollowerObservation, **values: object) -> FollowersObservation:
    return FollowersObservation(wanted=wanted, followers=followers, **values)  # type: ignore[arg-type]


def with_status(follower: FollowerObservation, status: WorkloadStatus) -> FollowerObservation:
    return replace(follower, engine=replace(follower.engine, status=status))


def with_engine(follower: FollowerObservation, **values: object) -> FollowerObservation:
    return replace(follower, engine=replace(follower.engine, **values))  # type: ignore[arg-type]


STEPS = [
    ("all are well", seen(1, WELL), NOTHING, 0),
    ("none is wanted", seen(0), NOTHING, 0),
    ("one is missing", seen(1), ReplicaAction.PREPARE, 0),
    ("one is missing, not yet again", seen(1, retry_in_s=3), NOTHING, 0),
    ("one is missing, no cards", seen(1, has_room=False), NOTHING, 0),
    ("it was not started", seen(1, with_engine(BEGUN, was_started=False)), ReplicaAction.START, 1),
    ("it loads", seen(1, BEGUN), NOTHING, 0),
    ("it listens", seen(1, with_engine(BEGUN, is_ready=True)), ReplicaAction.VERIFY, 1),
    ("it is good", seen(1, with_engine(BEGUN, verification=Check.PASSED)), ReplicaAction.ADMIT, 1),
    ("it is not", seen(1, with_engine(BEGUN, verification=Check.FAILED)), ReplicaAction.GIVE_UP, 1),
    ("its start failed", seen(1, with_engine(BEGUN, has_failed=True)), ReplicaAction.GIVE_UP, 1),
    (
        "it ended while it loaded",
        seen(1, with_status(BEGUN, WorkloadStatus.EXITED)),
        ReplicaAction.GIVE_UP,
        1,
    ),
    ("the leader changed", seen(1, replace(BEGUN, is_like_leader=False)), ReplicaAction.REMOVE, 1),
    ("it died", seen(1, with_status(WELL, WorkloadStatus.EXITED)), ReplicaAction.DROP, 1),
    ("it vanished", seen(1, with_status(WELL, WorkloadStatus.ABSENT)), ReplicaAction.DROP, 1),
    ("it hangs", seen(1, replace(WELL, is_hung=True)), ReplicaAction.DROP, 1),
    ("its runtime is silent", seen(1, with_status(WELL, WorkloadStatus.UNKNOWN)), NOTHING, 0),
    ("too many", seen(1, WELL, SECOND), ReplicaAction.RETIRE, 2),
    ("too many, an older one goes first", seen(1, OTHER, SECOND), ReplicaAction.RETIRE, 1),
    ("other flags", seen(2, OTHER, SECOND), ReplicaAction.RETIRE, 1),
    ("other flags, one at a time", seen(2, OTHER, replace(BEGUN, number=2)), NOTHING, 0),
    ("other flags, after a failure", seen(2, OTHER, SECOND, retry_in_s=3), NOTHING, 0),
    ("other flags on the last cards", seen(2, OTHER, has_room=False), ReplicaAction.RETIRE, 1),
    ("answers run on it", seen(0, LEAVING), NOTHING, 0),
    ("none runs any more", seen(0, replace(LEAVING, is_left=True)), ReplicaAction.STOP, 1),
    ("it ends", seen(0, replace(LEAVING, is_left=True, engine=ASKED)), NOTHING, 0),
    (
        "it does not end",
        seen(0, replace(LEAVING, is_left=True, engine=ASKED, is_grace_over=True)),
        ReplicaAction.REMOVE,
        1,
    ),
    ("it has ended", seen(0, with_status(LEAVING, WorkloadStatus.EXITED)), ReplicaAction.REMOVE, 1),
    ("it hangs and leaves", seen(0, replace(LEAVING, is_hung=True)), ReplicaAction.REMOVE, 1),
]


@pytest.mark.parametrize(
    ("seen", "action", "number"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS]
)
def test_followers_are_brought_to_do_as_their_leader(
    seen: FollowersObservation, action: ReplicaAction, number: int
) -> None:
    assert next_replica_step(seen) == ReplicaStep(action, number)


def test_beside_a_switch_only_the_dead_are_noted() -> None:
    guarded = [next_replica_step(row[1], only_guards=True).action for row in STEPS]

    assert set(guarded) == {NOTHING, ReplicaAction.DROP}


def test_the_heir_is_well_and_rather_like_the_leader_it_follows() -> None:
    dead = with_status(WELL, WorkloadStatus.EXITED)

    assert choose_heir([]) is None
    assert choose_heir([dead, replace(SECOND, is_leaving=True), replace(BEGUN, number=3)]) is None
    assert choose_heir([dead, SECOND]) == 2
    assert choose_heir([OTHER, SECOND]) == 2
    assert choose_heir([OTHER]) == 1
