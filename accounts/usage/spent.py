"""What one request used, as the limits and the daily sums count it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class UseOutcome(StrEnum):
    """How a request ended that was admitted."""

    COMPLETE = "complete"
    FAILED = "failed"
    """By an error, or refused after its admission."""
    CANCELLED = "cancelled"
    """By its user, or because its client left."""


class Spent(msgspec.Struct, frozen=True):
    """The tokens of one answer, and whose they are to be called."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    is_estimated: bool = False
    model: str = ""
    """As its engine calls it, never as the client did; empty where no engine was asked."""
    endpoint: str = ""
    """The path of the request, or what else the tokens were for."""
    outcome: UseOutcome = UseOutcome.COMPLETE
    latency_ms: int | None = None
    """Of a complete answer, from admission to its end."""
    ttft_ms: int | None = None
    cost_micros: float = 0.0
    """In millionths of the unit of COST_CURRENCY."""

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


NOTHING = Spent()
REFUSED = Spent(outcome=UseOutcome.FAILED)
