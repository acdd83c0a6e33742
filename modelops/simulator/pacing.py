"""When each token is due: an absolute schedule, so that a late wake-up never delays the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from modelops.simulator.generation import GeneratedChoice, GeneratedToken

_UNLIMITED_BATCH = 16
_LARGEST_BATCH = 64


@dataclass(frozen=True, slots=True)
class AnswerPace:
    """How fast one request is answered; ``tokens_per_s`` 0 means as fast as possible."""

    first_token_s: float
    tokens_per_s: float

    def due_s(self, number: int) -> float:
        """Seconds after the start at which token ``number`` (from 0) of each choice is due."""
        return self.first_token_s + (number / self.tokens_per_s if self.tokens_per_s else 0.0)

    def due_count(self, elapsed_s: float) -> int:
        """How many tokens of each choice are due by now."""
        late_s = elapsed_s - self.first_token_s
        if late_s < 0:
            return 0
        return int(late_s * self.tokens_per_s + 1e-6) + 1


@dataclass(frozen=True, slots=True)
class Token:
    """One token on its way out: which choice it belongs to and its number there, from 1."""

    choice: GeneratedChoice
    number: int

    @property
    def step(self) -> GeneratedToken:
        """The text and its kind."""
        return self.choice.steps[self.number - 1]

    @property
    def is_last(self) -> bool:
        """Whether the choice ends with this token."""
        return self.number == len(self.choice.steps)


async def paced_tokens(choices: Sequence[GeneratedChoice], pace: AnswerPace) -> AsyncIterator[list[Token]]:
    """Yield the tokens of all choices, interleaved, in batches as they become due.

    Gives the event loop a turn between batches even at unlimited speed.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    rounds = max(len(choice.steps) for choice in choices)
    sent = 0
    while sent < rounds:
        wait_s = pace.due_s(sent) - (loop.time() - start)
        await asyncio.sleep(max(0.0, wait_s))
        until = min(rounds, _due_until(sent, pace=pace, elapsed_s=loop.time() - start))
        yield [
            Token(choice, number + 1)
            for number in range(sent, until)
            for choice in choices
            if number < len(choice.steps)
        ]
        sent = until


def _due_until(sent: int, *, pace: AnswerPace, elapsed_s: float) -> int:
    if not pace.tokens_per_s:
        return sent + _UNLIMITED_BATCH
    return min(max(sent + 1, pace.due_count(elapsed_s)), sent + _LARGEST_BATCH)
