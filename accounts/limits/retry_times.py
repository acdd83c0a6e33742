"""When requests that came in too many at a time are told to come back: one after the other, as answers end.

A fixed time would bring all of them back in the same moment, for a few to be admitted and the rest to be
refused again; OpenAI's SDKs give up after the second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from accounts.limits.rules import Rule, Rules
from accounts.limits.store import AnswerLease
from accounts.models import LimitKind

KNOWN_LINES = 10_000
"""Of more, those without a running answer are forgotten."""
USUAL_ANSWER_S = 2.0
"""How long an answer takes, while nothing is known."""
SHORTEST_ANSWER_S = 1.0
"""What is reckoned with at least: a burst of requests makes answers longer than they were before it."""
SHARE_OF_NEWEST = 0.2
"""How much the newest answer counts in the average."""
MARGIN = 2.0
"""Answers are not equally long: whoever comes back finds room although some take that much longer."""
SHORTEST_WAIT_S = 0.25
LONGEST_WAIT_S = 59.0
"""SDKs wait for less than a minute, and go by times of their own beyond."""


class _Line:
    """The answers under one rule, and those who were told to come back."""

    __slots__ = ("answer_s", "next_at", "started")

    def __init__(self) -> None:
        self.answer_s = USUAL_ANSWER_S
        self.next_at = 0.0
        self.started: dict[str, float] = {}


class RetryTimes:
    """Estimates of this process, of the answers that it generates itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        """No cache of a library: each answer looks twice."""

    def note_start(self, lease: AnswerLease) -> None:
        for rule in _bounds_of(lease):
            self._line_of(rule).started[lease.id] = self._clock()

    def note_end(self, lease: AnswerLease) -> None:
        for rule in _bounds_of(lease):
            line = self._line_of(rule)
            if (started := line.started.pop(lease.id, None)) is not None:
                line.answer_s += SHARE_OF_NEWEST * (self._clock() - started - line.answer_s)

    def next_wait(self, rule: Rule) -> float:
        """In how many seconds there should be room under `rule` for one more of those who were refused."""
        now = self._clock()
        line = self._line_of(rule)
        ages = [now - started for started in line.started.values()]
        # What runs for long already says that answers are longer than they used to be.
        answer_s = max(line.answer_s, SHORTEST_ANSWER_S, 2 * sum(ages) / len(ages) if ages else 0.0)
        first_s = max(SHORTEST_WAIT_S, answer_s - max(ages, default=0.0))
        at = max(line.next_at, now + first_s)
        wait_s = min(at - now, LONGEST_WAIT_S)
        line.next_at = now + wait_s + MARGIN * answer_s / max(1, len(ages))
        return wait_s

    def _line_of(self, rule: Rule) -> _Line:
        line = self._lines.get(rule.key)
        if line is None:
            if len(self._lines) >= KNOWN_LINES:
                self._lines = {key: line for key, line in self._lines.items() if line.started}
            line = self._lines[rule.key] = _Line()
        return line


def _bounds_of(lease: AnswerLease) -> Rules:
    """The lease's rules on answers at a time, which come last."""
    rules = lease.rules
    if not rules or rules[-1].kind is not LimitKind.STREAMS:
        return ()
    if len(rules) == 1 or rules[-2].kind is not LimitKind.STREAMS:
        return rules[-1:]
    return tuple(rule for rule in rules if rule.kind is LimitKind.STREAMS)
