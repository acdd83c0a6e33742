"""Estimates when a switch will have ended."""

from __future__ import annotations

from datetime import datetime, timedelta

from modelops.domain.switching.states import SwitchState

BEFORE_THE_START = (
    SwitchState.REQUESTED,
    SwitchState.PLANNED,
    SwitchState.DRAINING,
    SwitchState.STOPPING,
    SwitchState.CLEARING,
)


def expect_ready_at(
    state: SwitchState,
    state_since: datetime,
    *,
    told: datetime | None,
    typical_s: float | None,
    now: datetime,
) -> datetime | None:
    """When the model is expected to be ready; None where there is no estimate.

    `told` is what the switcher wrote down, from the engine's log. Before there is a log, `typical_s` counts:
    what this profile's starts usually take, in full while the start is still to come.
    """
    if told is not None or typical_s is None:
        return told
    if state in BEFORE_THE_START:
        return now + timedelta(seconds=typical_s)
    return state_since + timedelta(seconds=typical_s) if state is SwitchState.STARTING else None
