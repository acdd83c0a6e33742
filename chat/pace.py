"""How fast engines generate: the estimate of what a plain answer cost whose reader left."""

from __future__ import annotations

FIRST_GUESS_TOKENS_PER_S = 50.0
WEIGHT = 0.2
"""Of the newest answer in the average."""


class Pace:
    """The tokens per second of one request, averaged over the answers that ended with the engine's count."""

    __slots__ = ("_is_measured", "tokens_per_s")

    def __init__(self) -> None:
        self.tokens_per_s = FIRST_GUESS_TOKENS_PER_S
        self._is_measured = False

    def note(self, tokens: int, duration_s: float) -> None:
        """An answer of so many tokens took so long, its prompt included."""
        if tokens <= 0 or duration_s <= 0:
            return
        measured = tokens / duration_s
        self.tokens_per_s += (measured - self.tokens_per_s) * (WEIGHT if self._is_measured else 1)
        self._is_measured = True

    def tokens_in(self, duration_s: float) -> int:
        return round(self.tokens_per_s * duration_s)
