"""How a slot goes to rest while nobody uses it, and what wakes it: pure, one step at a time.

A slot that rests has an engine that sleeps, or none. Its way there is short: the gate closes, every web
process says that nothing runs and nothing waits, nothing points to the engine any more, the engine is put to
sleep or stopped. A request that arrives before nothing points to the engine opens the gate again; a later one
waits, and the slot is woken by a switch to what it should serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from modelops.domain.switching.states import DEAD, GONE, WorkloadStatus


class RestState(StrEnum):
    AWAKE = "awake"
    CLOSING = "closing"
    """The gate is closed; the engine is pointed to, and may serve again at once."""
    LEAVING = "leaving"
    """Nothing points to the engine any more; it is being put to sleep or stopped."""
    RESTING = "resting"
    """The engine sleeps, or is gone. The next request wakes it."""


LONGEST_CLOSING_S = 10.0
"""Web processes acknowledge a closed gate within a moment. Where one does not, no request is kept waiting."""


class IdleAction(StrEnum):
    """What becomes of an engine that nobody uses."""

    SLEEP = "sleep"
    """Its weights go to host memory; it wakes within seconds."""
    STOP = "stop"
    """It ends, and is started anew."""


class RestStep(StrEnum):
    NOTHING = "nothing"
    """Whatever else a slot needs may be done."""
    WAIT = "wait"
    """Look again soon; nothing else may be done meanwhile."""
    CLOSE = "close"
    REOPEN = "reopen"
    LEAVE = "leave"
    SLEEP = "sleep"
    ASK_TO_STOP = "ask_to_stop"
    REMOVE = "remove"
    SETTLE = "settle"
    """It rests."""
    WAKE = "wake"


@dataclass(frozen=True, kw_only=True)
class RestObservation:
    """`engine` is the one that serves, or that served until the slot began to rest."""

    state: RestState = RestState.AWAKE
    engine: WorkloadStatus = WorkloadStatus.NONE
    is_idle: bool = False
    """It may rest, and was not used for as long as its profile says."""
    is_wake_asked: bool = False
    """A request came for it since it began to rest."""
    has_waiting: bool = False
    """A switch waits for its turn."""
    is_busy: bool = False
    """A web process has requests that run on the engine or wait for it."""
    is_drained: bool = False
    """Every web process knows of the closed gate, and has nothing that runs."""
    closed_for_s: float = 0.0
    sleeps: bool = False
    """It is put to sleep instead of being stopped."""
    was_asked_to_stop: bool = False
    is_grace_over: bool = False


def next_rest_step(seen: RestObservation) -> RestStep:
    """The one thing to do now. Total: every observation has an answer."""
    match seen.state:
        case RestState.AWAKE:
            return _awake(seen)
        case RestState.CLOSING:
            return _closing(seen)
        case RestState.LEAVING:
            return _leaving(seen)
        case RestState.RESTING:
            may_wake = seen.is_wake_asked and not seen.has_waiting
            return RestStep.WAKE if may_wake else RestStep.NOTHING


def _awake(seen: RestObservation) -> RestStep:
    is_used = seen.is_busy or seen.has_waiting
    is_well = seen.engine is WorkloadStatus.RUNNING
    return RestStep.CLOSE if seen.is_idle and is_well and not is_used else RestStep.NOTHING


def _closing(seen: RestObservation) -> RestStep:
    """Whatever speaks against rest opens the gate: the engine was not touched yet."""
    is_wanted = seen.is_wake_asked or seen.has_waiting or seen.is_busy
    if is_wanted or seen.engine in DEAD or seen.closed_for_s > LONGEST_CLOSING_S:
        return RestStep.REOPEN
    return RestStep.LEAVE if seen.is_drained else RestStep.WAIT


def _leaving(seen: RestObservation) -> RestStep:
    if seen.engine in GONE or (seen.sleeps and seen.engine is WorkloadStatus.ASLEEP):
        return RestStep.SETTLE
    if seen.engine is WorkloadStatus.UNKNOWN:
        return RestStep.WAIT
    if seen.engine is not WorkloadStatus.RUNNING:
        return RestStep.REMOVE
    if seen.sleeps:
        return RestStep.SLEEP
    if seen.is_grace_over:
        return RestStep.REMOVE
    return RestStep.WAIT if seen.was_asked_to_stop else RestStep.ASK_TO_STOP


class IdleWatch:
    """When a slot was used last, by what web processes report. Times are seconds of one clock.

    A report is as old as its row, so each counts once, when it is seen first: reading an old row later must
    not make the last use younger.
    """

    def __init__(self) -> None:
        self._seen: dict[object, object] = {}
        self._used_at: float | None = None
        self.is_busy = False

    def note(
        self, web: object, version: object, *, open_requests: int, idle_s: float | None, at: float
    ) -> None:
        """What the process `web` said in its row of this `version`; no `idle_s` where it had no request."""
        if open_requests:
            self.is_busy = True
            self.use(at)
        elif idle_s is not None and self._seen.get(web) != version:
            self.use(at - idle_s)
        self._seen[web] = version

    def begin_look(self) -> None:
        """Before the reports of all processes are noted."""
        self.is_busy = False

    def use(self, at: float) -> None:
        """It was used at this time, if not later."""
        self._used_at = at if self._used_at is None else max(self._used_at, at)

    def idle_for_s(self, now: float) -> float:
        """0 before anything is known."""
        return 0.0 if self._used_at is None else max(0.0, now - self._used_at)

    @property
    def used_at(self) -> float | None:
        return self._used_at
