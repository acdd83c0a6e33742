"""What the replicas of a slot need: pure, like the switch and the maintenance.

A switch is about one engine, the leader. Its followers are brought to do as it does, one at a time, so that
the others serve meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from modelops.domain.switching.states import DEAD, Check, EngineObservation, WorkloadStatus


class ReplicaAction(StrEnum):
    """What the switcher does to a follower. Each is idempotent."""

    NOTHING = "nothing"
    PREPARE = "prepare"
    """Make the row of one more, on cards that are free."""
    START = "start"
    VERIFY = "verify"
    ADMIT = "admit"
    """Requests go to it from now on."""
    GIVE_UP = "give_up"
    """Its start has failed: its row ends, and the next try comes later."""
    DROP = "drop"
    """It served and is dead: requests no longer go to it, and it is started anew."""
    RETIRE = "retire"
    """It gets no new requests."""
    STOP = "stop"
    REMOVE = "remove"


@dataclass(frozen=True, kw_only=True)
class FollowerObservation:
    """One follower. `engine` is as a switch sees its engines; time-outs are the observer's to judge."""

    number: int
    engine: EngineObservation
    is_serving: bool
    is_like_leader: bool
    """It was started with just what the leader was started with."""
    is_hung: bool = False
    is_leaving: bool = False
    is_left: bool = False
    """No answer of it runs any more, or they had time enough."""
    is_grace_over: bool = False
    """It was asked to stop, and had time enough."""


@dataclass(frozen=True, kw_only=True)
class FollowersObservation:
    """The followers of a leader that serves."""

    wanted: int
    followers: Sequence[FollowerObservation] = ()
    retry_in_s: float = 0.0
    """Until the next try after a failure; 0 and below: now."""
    has_room: bool = True
    """There are cards for one more."""


@dataclass(frozen=True)
class ReplicaStep:
    """An action, and the number of the follower it is done to."""

    action: ReplicaAction
    number: int = 0


def next_replica_step(seen: FollowersObservation, *, only_guards: bool = False) -> ReplicaStep:
    """The one thing to do now. With `only_guards` none is started or ended: a switch is at work beside."""
    known = [each for each in seen.followers if each.engine.status is not WorkloadStatus.UNKNOWN]
    for each in known:
        if each.is_serving and not each.is_leaving and (each.is_hung or each.engine.status in DEAD):
            return ReplicaStep(ReplicaAction.DROP, each.number)
    if only_guards:
        return ReplicaStep(ReplicaAction.NOTHING)
    for each in known:
        action = _end(each) if each.is_leaving else _begin(each)
        if action is not ReplicaAction.NOTHING:
            return ReplicaStep(action, each.number)
    return _converge(seen)


def _end(seen: FollowerObservation) -> ReplicaAction:
    if not seen.is_left and seen.engine.status is WorkloadStatus.RUNNING and not seen.is_hung:
        return ReplicaAction.NOTHING
    if seen.engine.status is WorkloadStatus.RUNNING and not seen.is_grace_over and not seen.is_hung:
        return ReplicaAction.NOTHING if seen.engine.was_asked_to_stop else ReplicaAction.STOP
    return ReplicaAction.REMOVE


def _begin(seen: FollowerObservation) -> ReplicaAction:
    """What one that is being started needs; nothing for one that serves."""
    engine = seen.engine
    if seen.is_serving:
        return ReplicaAction.NOTHING
    if not seen.is_like_leader:
        return ReplicaAction.REMOVE  # the leader became another one meanwhile
    is_dead = engine.status is WorkloadStatus.EXITED or (engine.was_started and engine.status in DEAD)
    if engine.has_failed or is_dead or engine.verification is Check.FAILED:
        return ReplicaAction.GIVE_UP
    if not engine.was_started:
        return ReplicaAction.START
    if engine.verification is Check.PASSED:
        return ReplicaAction.ADMIT
    return ReplicaAction.VERIFY if engine.is_ready else ReplicaAction.NOTHING


def _converge(seen: FollowersObservation) -> ReplicaStep:
    """One at a time: while one begins or ends, the others stay as they are."""
    serving = [each for each in seen.followers if each.is_serving and not each.is_leaving]
    if len(serving) < len(seen.followers):
        return ReplicaStep(ReplicaAction.NOTHING)
    others = [each for each in serving if not each.is_like_leader]
    if len(serving) > seen.wanted:
        surplus = max(others or serving, key=lambda each: each.number)
        return ReplicaStep(ReplicaAction.RETIRE, surplus.number)
    if len(serving) < seen.wanted:
        if seen.has_room:
            return ReplicaStep(ReplicaAction.PREPARE if seen.retry_in_s <= 0 else ReplicaAction.NOTHING)
        if not others:
            return ReplicaStep(ReplicaAction.NOTHING)
    if others and seen.retry_in_s <= 0:
        return ReplicaStep(ReplicaAction.RETIRE, others[-1].number)
    return ReplicaStep(ReplicaAction.NOTHING)


def choose_heir(followers: Sequence[FollowerObservation]) -> int | None:
    """The number of the follower that becomes the leader when that is dead; None without one that is well.

    One that runs what the leader ran comes first.
    """
    well = [
        each
        for each in followers
        if each.is_serving
        and not each.is_leaving
        and not each.is_hung
        and each.engine.status in (WorkloadStatus.RUNNING, WorkloadStatus.UNKNOWN)
    ]
    chosen = min(well, key=lambda each: (not each.is_like_leader, each.number), default=None)
    return None if chosen is None else chosen.number
