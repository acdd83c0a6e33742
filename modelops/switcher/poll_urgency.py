"""How soon a switcher looks again at what it does."""

from __future__ import annotations

from enum import IntEnum


class PollUrgency(IntEnum):
    """How soon the next tick is due."""

    IDLE = 0
    WAITING = 1
    """For an engine, or for answers to end."""
    MOVING = 2
    """The next step follows at once."""
