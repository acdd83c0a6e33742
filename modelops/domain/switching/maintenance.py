"""What a slot needs while no switch acts on it: pure, like the switch itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from modelops.domain.switching.states import DEAD, WorkloadStatus

UNHEALTHY_S = 30.0
"""A served engine may miss health checks under load; after this long it counts as dead."""
LONGEST_CHECK_S = 5.0
"""From one check to the next, its time-out included."""
STABLE_S = 120.0
"""An engine that served for this long ends a row of failures."""
LONGEST_INHERITED_S = 60.0
_BACKOFF_S = (0.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)


class HealthRecord:
    """For how long the engine that serves was asked in vain.

    What counts are the checks, one after another, of one engine: while nobody asked (a switch went on, the
    database was away) nothing speaks against it.
    """

    def __init__(self) -> None:
        self._engine = ""
        self._noted_at = 0.0
        self._in_vain_s = 0.0

    def note(self, engine: str, *, is_healthy: bool, at: float) -> None:
        """The outcome of one check, at seconds of a clock that never goes back."""
        silent_s = min(at - self._noted_at, LONGEST_CHECK_S) if engine == self._engine else 0.0
        self._in_vain_s = 0.0 if is_healthy else self.unhealthy_for_s(engine) + silent_s
        self._engine, self._noted_at = engine, at

    def unhealthy_for_s(self, engine: str) -> float:
        return self._in_vain_s if engine == self._engine else 0.0


class Maintenance(StrEnum):
    NOTHING = "nothing"
    CLAIM = "claim"
    """Begin the switch that is next in the queue."""
    DECLARE_DEAD = "declare_dead"
    """What should serve does not: nothing points to it any more, and it is removed."""
    START_DESIRED = "start_desired"
    REMOVE_ORPHANS = "remove_orphans"


@dataclass(frozen=True, kw_only=True)
class SlotObservation:
    """`active` is the engine that is pointed to; NONE without one. Times in seconds."""

    active: WorkloadStatus = WorkloadStatus.NONE
    is_external: bool = False
    """The engine is started and restarted by its operator, not by the switcher."""
    unhealthy_for_s: float = 0.0
    has_waiting: bool = False
    desires: bool = False
    """There is a profile that it should serve."""
    retry_in_s: float = 0.0
    """Until the next try after a failure; 0 and below: now."""
    has_orphans: bool = False
    rests: bool = False
    """Nothing is to serve until somebody asks for it."""


def next_maintenance(seen: SlotObservation) -> Maintenance:
    if seen.active is not WorkloadStatus.NONE and not seen.is_external:
        is_hung = seen.active is WorkloadStatus.RUNNING and seen.unhealthy_for_s > UNHEALTHY_S
        if seen.active in DEAD or is_hung:
            # First: a switch would be refused for it.
            return Maintenance.DECLARE_DEAD
    if seen.has_waiting:
        return Maintenance.CLAIM
    if seen.has_orphans:
        return Maintenance.REMOVE_ORPHANS
    is_empty = seen.active is WorkloadStatus.NONE and not seen.rests
    is_due = is_empty and seen.desires and seen.retry_in_s <= 0
    return Maintenance.START_DESIRED if is_due else Maintenance.NOTHING


def shorten_backoff(
    failures: int, retry_in_s: float | None, *, is_rebooted: bool
) -> tuple[int, float | None]:
    """What is left of a back-off, as failures in a row and seconds, for a switcher that begins to act.

    What failed before the machine was started again says little about now; a switcher that was only replaced
    goes on, and waits no longer than LONGEST_INHERITED_S.
    """
    if is_rebooted:
        return 0, None
    return failures, None if retry_in_s is None else min(retry_in_s, LONGEST_INHERITED_S)


def backoff_s(failures: int) -> float:
    """How long to wait before the next try, after so many failures in a row."""
    return _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
