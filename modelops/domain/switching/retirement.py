"""How a slot is retired while an engine runs in it: pure, like a switch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from modelops.domain.switching.states import DrainPolicy


class RetirementStep(StrEnum):
    WAIT = "wait"
    CLOSE_GATE = "close_gate"
    """New requests go nowhere; running answers finish."""
    CUT = "cut"
    """Running answers end now, each with its error event."""
    POINT_AWAY = "point_away"
    """Nothing points to the engine any more."""
    END_ENGINES = "end_engines"
    RETIRE = "retire"


@dataclass(frozen=True, kw_only=True)
class RetirementObservation:
    """`serves` says that the slot points to an engine; `has_engines` that any runs or sleeps in it."""

    serves: bool
    is_open: bool = False
    is_drained: bool = False
    is_drain_over: bool = False
    drain_policy: DrainPolicy = DrainPolicy.CUT
    is_cut: bool = False
    is_cut_over: bool = False
    has_engines: bool = False


def next_retirement_step(seen: RetirementObservation) -> RetirementStep:
    """A retirement is never given up: the policy `abandon` cuts as well."""
    if not seen.serves:
        return RetirementStep.END_ENGINES if seen.has_engines else RetirementStep.RETIRE
    if seen.is_open:
        return RetirementStep.CLOSE_GATE
    if seen.is_drained or (seen.is_cut and seen.is_cut_over):
        return RetirementStep.POINT_AWAY
    is_due = seen.is_drain_over and seen.drain_policy is not DrainPolicy.WAIT
    return RetirementStep.CUT if is_due and not seen.is_cut else RetirementStep.WAIT
