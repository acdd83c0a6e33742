"""How often somebody may ask: log-in attempts, and chat requests per user and window.

The chat path counts in Redis (one pipeline for all requests that arrive together) or, on the embedded
defaults, in this process's memory. Both count fixed windows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.errors import DependencyUnavailable, RateLimitExceeded

log = structlog.get_logger()

MAX_PIPELINE = 256


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

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[tuple[str, int, asyncio.Future[int]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def increment(self, key: str, window_s: int) -> int:
        """Raises DependencyUnavailable when Redis does not answer."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, window_s, future))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), name="rate-limit-sender")
        return await future

    async def _send_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_PIPELINE], self._waiting[MAX_PIPELINE:]
            try:
                counts = await self._send(batch)
            except (RedisError, OSError, TimeoutError) as exc:
                log.error("redis_failed", error=type(exc).__name__)
                _settle(batch, DependencyUnavailable("The cache does not answer."))
            else:
                _settle(batch, counts)
        self._sender = None

    async def _send(self, batch: list[tuple[str, int, asyncio.Future[int]]]) -> list[int]:
        pipeline = self._redis.pipeline(transaction=False)
        for key, window_s, _future in batch:
            pipeline.incr(key)
            pipeline.expire(key, window_s)
        answers = await pipeline.execute()
        return [int(count) for count in answers[::2]]


def _settle(
    batch: list[tuple[str, int, asyncio.Future[int]]], outcome: list[int] | DependencyUnavailable
) -> None:
    for index, (_key, _window_s, future) in enumerate(batch):
        if future.done():
            continue
        if isinstance(outcome, DependencyUnavailable):
            future.set_exception(outcome)
        else:
            future.set_result(outcome[index])


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
