"""The life of a switch as a pure function: from what is seen to what is done next.

Nothing here waits, reads a clock or knows Django. `modelops.switcher` observes, asks `next_step`, acts and
records; since each answer follows from what is seen, a switcher that crashed anywhere just asks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SwitchState(StrEnum):
    """Where a switch is. docs/switching.md shows which leads to which."""

    REQUESTED = "requested"
    """Waits for its turn: the one that acts on its slot has to end first."""
    PLANNED = "planned"
    """Being checked, then image and weights fetched, while the old engine serves."""
    DRAINING = "draining"
    """New requests wait; running ones finish."""
    STOPPING = "stopping"
    """The old engine is no longer pointed to and is being ended. From here on there is no simple way back."""
    CLEARING = "clearing"
    """Nothing of ours may be left on the cards, and their memory must be free."""
    STARTING = "starting"
    LOADING = "loading"
    VERIFYING = "verifying"
    """It listens; does it serve what was asked for?"""
    ACTIVE = "active"
    REJECTED = "rejected"
    """The plan was refused, or could not be prepared. The old engine never noticed."""
    CANCELLED = "cancelled"
    """Ended by request before the old engine was touched."""
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    """It failed, and what served before serves again."""
    DEGRADED = "degraded"
    """It failed, and nothing serves."""


USUAL_PATH = (
    SwitchState.REQUESTED,
    SwitchState.PLANNED,
    SwitchState.DRAINING,
    SwitchState.STOPPING,
    SwitchState.CLEARING,
    SwitchState.STARTING,
    SwitchState.LOADING,
    SwitchState.VERIFYING,
)
"""What a switch goes through that comes to a good end."""

ACTING_STATES = (*USUAL_PATH[1:], SwitchState.ROLLING_BACK)
"""At most one switch of a slot is in one of these."""

LIVE_STATES = (SwitchState.REQUESTED, *ACTING_STATES)

UNTOUCHED_STATES = (SwitchState.REQUESTED, SwitchState.PLANNED, SwitchState.DRAINING)
"""The old engine still serves, or could at once."""

FINAL_STATES = tuple(state for state in SwitchState if state not in LIVE_STATES)


def list_states_ahead(state: SwitchState) -> tuple[SwitchState, ...]:
    """What is still ahead of a switch in this state; nothing where it has left the usual path."""
    return USUAL_PATH[USUAL_PATH.index(state) + 1 :] if state in USUAL_PATH else ()


class DrainPolicy(StrEnum):
    """What happens to answers that still run when the time for draining is over."""

    WAIT = "wait"
    """Go on waiting for them."""
    CUT = "cut"
    """End them with an error event."""
    ABANDON = "abandon"
    """Give the switch up."""


class WorkloadStatus(StrEnum):
    """The state of one engine's workload, as its runtime reports it."""

    NONE = "none"
    """The switch has no such engine."""
    ABSENT = "absent"
    CREATED = "created"
    """It exists and never ran."""
    RUNNING = "running"
    ASLEEP = "asleep"
    EXITED = "exited"
    UNKNOWN = "unknown"
    """The runtime does not answer."""


GONE = (WorkloadStatus.NONE, WorkloadStatus.ABSENT)
DEAD = (WorkloadStatus.NONE, WorkloadStatus.ABSENT, WorkloadStatus.CREATED, WorkloadStatus.EXITED)


class Check(StrEnum):
    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class EngineObservation:
    """One engine as a switch sees it. Every time-out is the observer's to judge: it knows the clock."""

    status: WorkloadStatus = WorkloadStatus.NONE
    was_started: bool = False
    """A start of it was seen to succeed; from then on its absence is a failure."""
    was_asked_to_stop: bool = False
    is_ready: bool = False
    """It listens and says that it is well."""
    verification: Check = Check.PENDING
    has_failed: bool = False
    """Its start was refused, or it is stuck: a root cause is known though it may still be running."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """All that `next_step` decides by. `old` served when the switch began, `restored` is its successor."""

    is_cancel_asked: bool = False
    plan: Check = Check.PENDING
    keeps_engine: bool = False
    """The plan needs no other engine: only names and limits change."""
    restores_if_refused: bool = False
    """It was to bring back what served, and that can be started as it was although its profile cannot."""
    prefetch: Check = Check.PENDING
    old: EngineObservation = EngineObservation()
    is_old_pointed_to: bool = False
    """Requests still go, or would go, to the old engine: it was never asked to stop."""
    parks_old: bool = False
    """The old engine is put to sleep instead of being stopped."""
    starts_beside: bool = False
    """The old engine serves until the new one is verified, and is removed afterwards."""
    is_drained: bool = False
    is_drain_over: bool = False
    drain_policy: DrainPolicy = DrainPolicy.CUT
    is_cut: bool = False
    is_cut_over: bool = False
    """The answers that were cut had time enough to end."""
    is_grace_over: bool = False
    """The engine that was asked to stop had time enough."""
    has_orphans: bool | None = False
    """Something else of ours is on the slot's cards; None while a runtime does not say."""
    is_memory_free: bool | None = True
    """None while the cards could not be read."""
    is_clear_over: bool = False
    """What is to be cleared had time enough."""
    is_start_over: bool = False
    """The runtime had time enough to start the engine."""
    new: EngineObservation = EngineObservation()
    may_retry: bool = False
    """The failure has a safe remedy that was not tried yet."""
    can_restore: bool = False
    """There is an engine on record that served well before."""
    restored: EngineObservation = EngineObservation()


class Action(StrEnum):
    """What the switcher does. Those with an engine are idempotent; the others happen with the transition."""

    WAIT = "wait"
    MOVE = "move"
    """Nothing but the transition."""
    MAKE_PLAN = "make_plan"
    PREFETCH = "prefetch"
    CUT = "cut"
    STOP_OLD = "stop_old"
    SLEEP_OLD = "sleep_old"
    REMOVE_OLD = "remove_old"
    REMOVE_ORPHANS = "remove_orphans"
    START_NEW = "start_new"
    VERIFY_NEW = "verify_new"
    VERIFY_OLD = "verify_old"
    REMOVE_NEW = "remove_new"
    RETRY = "retry"
    START_RESTORED = "start_restored"
    VERIFY_RESTORED = "verify_restored"
    REMOVE_RESTORED = "remove_restored"


@dataclass(frozen=True)
class Step:
    """An action, and the state it leads to; None: stay in this state and observe again."""

    action: Action
    to: SwitchState | None = None


WAIT = Step(Action.WAIT)


def move(to: SwitchState) -> Step:
    return Step(Action.MOVE, to)


ROLL_BACK = move(SwitchState.ROLLING_BACK)
