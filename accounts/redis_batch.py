"""Commands of concurrent requests, sent to Redis together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from gateway.errors import DependencyUnavailable

log = structlog.get_logger()

MAX_PIPELINE = 256
SLOW_S = 0.5
"""A Redis that took this long to fail hangs: asking it again and again would keep everybody waiting."""
REST_S = 1.0

Command = tuple[str | bytes | int | float, ...]
Result = TypeVar("Result")


class ScriptUnknown(DependencyUnavailable):
    """Redis does not have the script of an EVALSHA; it will after an EVAL."""


class _Item(NamedTuple):
    commands: tuple[Command, ...]
    read: Callable[[Sequence[Any]], Any]
    future: asyncio.Future[Any]


class RedisBatch:
    """One round trip for whatever is submitted in one turn of the event loop; at most one is under way.

    What arrives meanwhile is the next batch. The commands are not a transaction. After a Redis that hangs
    was waited for once, what is submitted within the next second fails at once.
    """

    def __init__(self, redis: Redis, *, slow_s: float = SLOW_S) -> None:
        self._redis = redis
        self._slow_s = slow_s
        self._rests_until = 0.0
        self._waiting: list[_Item] = []
        self._sender: asyncio.Task[None] | None = None

    def submit(self, *commands: Command, read: Callable[[Sequence[Any]], Result]) -> asyncio.Future[Result]:
        """What `read` makes of the commands' answers. Queued at once, before the future is awaited.

        The future raises DependencyUnavailable when Redis does not answer, or refuses one of the commands;
        ScriptUnknown if that is why.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        item = _Item(commands, read, future)
        if time.monotonic() < self._rests_until:
            _fail(item)
            return future
        self._waiting.append(item)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), name="redis-batch-sender")
        return future

    async def _send_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_PIPELINE], self._waiting[MAX_PIPELINE:]
            started = time.monotonic()
            try:
                answers = await self._send(batch)
            except (RedisError, OSError, TimeoutError) as exc:
                log.error("redis_failed", error=type(exc).__name__)
                if time.monotonic() >= started + self._slow_s:
                    # Who came meanwhile has waited long enough, too.
                    self._rests_until = time.monotonic() + REST_S
                    batch, self._waiting = [*batch, *self._waiting], []
                for item in batch:
                    _fail(item)
            else:
                _settle(batch, answers)
        self._sender = None

    async def _send(self, batch: Sequence[_Item]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for item in batch:
            for command in item.commands:
                pipeline.execute_command(*command)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers


def _settle(batch: Sequence[_Item], answers: Sequence[Any]) -> None:
    start = 0
    for item in batch:
        own = answers[start : start + len(item.commands)]
        start += len(item.commands)
        refusals = [answer for answer in own if isinstance(answer, Exception)]
        if refusals and isinstance(refusals[0], NoScriptError):
            _fail(item, ScriptUnknown())
        elif refusals:
            log.error("redis_refused", error=type(refusals[0]).__name__)
            _fail(item)
        elif not item.future.done():
            item.future.set_result(item.read(own))


def _fail(item: _Item, error: DependencyUnavailable | None = None) -> None:
    if not item.future.done():
        item.future.set_exception(error or DependencyUnavailable("The cache does not answer."))
