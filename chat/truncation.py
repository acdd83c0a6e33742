"""Leaves the oldest turns out of a prompt that does not fit the context, as the engine itself counts it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from conversations.branches import Prompt
from conversations.prompt_sizes import TurnLimits
from conversations.prompt_sources import PromptSource
from gateway.errors import ContextLengthExceeded

Count = Callable[[Prompt], Awaitable[int | None]]
"""The engine's count of a prompt; None where it does not say."""

MOST_COUNTS = 2
"""Calls to the engine for one turn. The first also says how far the estimates are off."""
MARGIN = 1.02
"""By how much what was estimated from the first count may be longer."""
CAUTION = 1.5
"""The same where nothing was counted."""
TOO_MANY_TOKENS = 2**31
"""In place of a count, where the engine only says that it is too long."""


async def find_start(source: PromptSource, limits: TurnLimits, count: Count | None) -> int:
    """Where in `source.said` the longest prompt of whole turns begins that fits, with room for the answer.

    Raises ContextLengthExceeded when the newest turn alone does not fit the context. `count` is None where
    there is no engine to ask yet.
    """
    if not source.starts:
        raise limits.refuse_newest()
    if limits.prompt_tokens is None:
        return source.starts[0]
    search = _Search(source, limits.prompt_tokens)
    if count is None:
        search.scale = CAUTION
        return search.result()
    for _ in range(MOST_COUNTS):
        start = search.guess()
        if start is None:
            break
        tokens = await _count_or_refuse(count, source, start)
        if tokens is None:
            search.scale *= CAUTION
            break
        if start == source.starts[-1]:
            limits.check_tokens(tokens)  # what is left for the answer is the engine's to judge
        search.note(start, tokens)
    return search.result()


class _Search:
    """Narrows down where a prompt may begin: `fitting` is known to fit, what begins before `low` is not."""

    def __init__(self, source: PromptSource, budget: int) -> None:
        self._estimates = source.estimates
        self._starts = source.starts
        self._budget = budget
        self._low = 0
        self._fitting: int | None = None
        self.scale = 1.0
        """Tokens for each that is estimated."""

    def guess(self) -> int | None:
        """The next one to count; None where that would say nothing new."""
        number = self._first_within()
        return None if self._fitting is not None and number >= self._fitting else self._starts[number]

    def note(self, start: int, tokens: int) -> None:
        number = self._starts.index(start)
        if tokens <= self._budget or start == self._starts[-1]:
            self._fitting = number
        else:
            self._low = number + 1
        if tokens < TOO_MANY_TOKENS:
            self.scale = MARGIN * tokens / self._estimates[start]
        else:
            self.scale *= CAUTION

    def result(self) -> int:
        return self._starts[self._first_within() if self._fitting is None else self._fitting]

    def _first_within(self) -> int:
        last = len(self._starts) - 1
        fit = (
            number
            for number in range(self._low, last)
            if self._estimates[self._starts[number]] * self.scale <= self._budget
        )
        return next(fit, last)


async def _count_or_refuse(count: Count, source: PromptSource, start: int) -> int | None:
    """The engine's count. One that refuses to count a prompt, as it is too long, has said enough of it."""
    try:
        return await count(source.make_prompt(start))
    except ContextLengthExceeded:
        if start == source.starts[-1]:
            raise
        return TOO_MANY_TOKENS
