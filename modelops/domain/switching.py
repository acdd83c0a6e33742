"""The life of a switch as a pure function: from what is seen to what is done next.

Nothing here waits, reads a clock or knows Django. `modelops.switcher` observes, asks `next_step`, acts and
records; since each answer follows from what is seen, a switcher that crashed anywhere just asks again.
"""

from __future__ import annotations

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


ACTING_STATES = (
    SwitchState.PLANNED,
    SwitchState.DRAINING,
    SwitchState.STOPPING,
    SwitchState.CLEARING,
    SwitchState.STARTING,
    SwitchState.LOADING,
    SwitchState.VERIFYING,
    SwitchState.ROLLING_BACK,
)
"""At most one switch of a slot is in one of these."""

LIVE_STATES = (SwitchState.REQUESTED, *ACTING_STATES)

UNTOUCHED_STATES = (SwitchState.REQUESTED, SwitchState.PLANNED, SwitchState.DRAINING)
"""The old engine still serves, or could at once."""

FINAL_STATES = tuple(state for state in SwitchState if state not in LIVE_STATES)


class DrainPolicy(StrEnum):
    """What happens to answers that still run when the time for draining is over."""

    WAIT = "wait"
    """Go on waiting for them."""
    CUT = "cut"
    """End them with an error event."""
    ABANDON = "abandon"
    """Give the switch up."""
