"""How often somebody may ask: log-in attempts, and chat requests per user and window.

The chat path counts in Redis (one pipeline for all requests that arrive together) or, on the embedded
defaults, in this process's memory. Both count fixed windows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.asyncio import Redis

from accounts.redis_batch import RedisBatch
from gateway.errors import RateLimitExceeded


@dataclass(frozen=True)
class RateDecision:
    """The state of one window after this request was counted."""

    limit: int
    used: int
    reset_s: float
    """Seconds until the window ends."""

    @property
    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(max(0, self.limit - self.used)),
            "x-ratelimit-reset-requests": f"{self.reset_s:.0f}s",
        }


class Counter(Protocol):
    async def increment(self, key: str, window_s: int) -> int:
        """Count one more for `key` and answer the count; it may be forgotten after `window_s`."""


class RateLimiter:
    """At most `limit` requests per key and fixed window of `window_s` seconds."""

    def __init__(
        self, counter: Counter, *, limit: int, window_s: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._counter = counter
        self._limit = limit
        self._window_s = window_s
        self._clock = clock

    async def admit(self, key: str) -> RateDecision | None:
        """Count a request; None when no limit is set. Raises RateLimitExceeded past the limit."""
        if not self._limit:
            return None
        window, elapsed_s = divmod(self._clock(), self._window_s)
        used = await self._counter.increment(f"rate:{key}:{window:.0f}", self._window_s)
        decision = RateDecision(self._limit, used, self._window_s - elapsed_s)
        if used > self._limit:
            raise RateLimitExceeded(
                f"More than {self._limit} requests in {self._window_s} seconds.",
                retry_after_s=decision.reset_s,
                headers=decision.headers,
            )
        return decision


class MemoryCounter:
    """Counts in this process. Right for one web process only; a system check refuses more without Redis."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._forget_at = 0.0

    async def increment(self, key: str, window_s: int) -> int:
        now = self._clock()
        if now >= self._forget_at:
            # Keys carry their window's number, so old ones are never asked for again.
            current = key.rpartition(":")[2]
            self._counts = {k: n for k, n in self._counts.items() if k.endswith(f":{current}")}
            self._forget_at = now + window_s
        count = self._counts.get(key, 0) + 1
        self._counts[key] = count
        return count


class RedisCounter:
    """Counts in Redis, for any number of web processes; concurrent requests share one round trip."""

    def __init__(self, redis: Redis | RedisBatch) -> None:
        self._batch = redis if isinstance(redis, RedisBatch) else RedisBatch(redis)

    async def increment(self, key: str, window_s: int) -> int:
        """Raises DependencyUnavailable when Redis does not answer."""
        return await self._batch.submit(("INCR", key), ("EXPIRE", key, window_s), read=_first_number)


def _first_number(answers: Sequence[Any]) -> int:
    return int(answers[0])


def admit_login(request: HttpRequest, *, username: str, rate: str) -> None:
    """Count a log-in attempt against its account and its address. Raises RateLimitExceeded."""
    keys: tuple[tuple[str, Callable[[str, HttpRequest], str]], ...] = (
        ("login-account", lambda _group, _request: username.casefold()),
        ("login-address", lambda _group, request: request.META.get("REMOTE_ADDR", "")),
    )
    for group, key in keys:
        usage = get_usage(request, group=group, key=key, rate=rate, increment=True)
        if usage and usage["should_limit"]:
            raise RateLimitExceeded("Too many log-in attempts.", retry_after_s=usage["time_left"])
