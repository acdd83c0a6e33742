"""Where limits are counted: the protocol, and a store in this process's memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from accounts.limits.rules import Count, Decision, Rule, Rules
from accounts.models import LimitKind

SWEEP_PERIOD_S = 60.0


class AnswerLease(NamedTuple):
    """A request under `rules`. Where they bound answers at a time, it holds one of them until it ends."""

    id: str
    rules: Rules


class LimitStore(Protocol):
    """Counts requests, tokens and leases. Each call is atomic: a limit of N admits N across all processes.

    A window begins with the first thing counted in it. A lease that is neither renewed nor ended expires.
    """

    async def acquire(self, lease: AnswerLease) -> Decision:
        """Check the lease's rules, and count the request where they admit it.

        A request over the limit of requests is not counted; one that is refused for its tokens or for answers
        at a time counts as a request all the same. Raises DependencyUnavailable.
        """

    def end(self, lease: AnswerLease, tokens: int) -> asyncio.Future[None]:
        """Release the lease and count the tokens that its answer used. Starts before it is awaited.

        Does nothing to a lease that was refused. The future raises DependencyUnavailable.
        """

    async def renew(self, leases: Sequence[AnswerLease]) -> None:
        """Extend the leases of answers that are still being generated. Raises DependencyUnavailable."""


class _Window:
    __slots__ = ("ends_at", "used")

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.used = 0

    def left_s(self, now: float) -> float:
        """In whole milliseconds, as Redis counts: a sum of floats gives 60.00000000000006 of 60 seconds."""
        return round(self.ends_at - now, 3)


class MemoryLimits:
    """A `LimitStore` in this process, for a single web process; a system check refuses more without Redis."""

    def __init__(self, *, lease_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease_s = lease_s
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._leases: dict[str, dict[str, float]] = {}
        self._swept_at = clock()

    async def acquire(self, lease: AnswerLease) -> Decision:
        now = self._clock()
        self._sweep(now)
        counts = [self._count(rule, now) for rule in lease.rules]
        refused = next((count for count in counts if count.used >= count.rule.value), None)
        for index, count in enumerate(counts):
            is_request = count.rule.kind is LimitKind.REQUESTS
            if is_request and (refused is None or refused.rule.kind is not LimitKind.REQUESTS):
                counts[index] = self._add(count.rule, 1, now)
            elif refused is None and count.rule.kind is LimitKind.STREAMS:
                self._leases.setdefault(count.rule.key, {})[lease.id] = now + self._lease_s
                counts[index] = count._replace(used=count.used + 1)
        return Decision(tuple(counts), refused)

    def end(self, lease: AnswerLease, tokens: int) -> asyncio.Future[None]:
        now = self._clock()
        for rule in lease.rules:
            if rule.kind is LimitKind.STREAMS:
                self._leases.get(rule.key, {}).pop(lease.id, None)
            elif rule.kind is LimitKind.TOKENS and tokens:
                self._add(rule, tokens, now)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ended.set_result(None)
        return ended

    async def renew(self, leases: Sequence[AnswerLease]) -> None:
        until = self._clock() + self._lease_s
        for lease in leases:
            for rule in lease.rules:
                if rule.kind is LimitKind.STREAMS:
                    self._leases.setdefault(rule.key, {})[lease.id] = until

    def _count(self, rule: Rule, now: float) -> Count:
        if rule.kind is LimitKind.STREAMS:
            alive = sum(1 for until in self._leases.get(rule.key, {}).values() if until > now)
            return Count(rule, alive, 0.0)
        window = self._windows.get(rule.key)
        if window is None or window.ends_at <= now:
            return Count(rule, 0, 0.0)
        return Count(rule, window.used, window.left_s(now))

    def _add(self, rule: Rule, amount: int, now: float) -> Count:
        window = self._windows.get(rule.key)
        if window is None or window.ends_at <= now:
            window = self._windows[rule.key] = _Window(now + rule.window_s)
        window.used += amount
        return Count(rule, window.used, window.left_s(now))

    def _sweep(self, now: float) -> None:
        """Drop what has expired, every SWEEP_PERIOD_S."""
        if now < self._swept_at + SWEEP_PERIOD_S:
            return
        self._swept_at = now
        self._windows = {key: window for key, window in self._windows.items() if window.ends_at > now}
        alive = {
            key: {lease: until for lease, until in leases.items() if until > now}
            for key, leases in self._leases.items()
        }
        self._leases = {key: leases for key, leases in alive.items() if leases}
