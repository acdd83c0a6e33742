"""Commands of concurrent requests, sent to Redis together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.errors import DependencyUnavailable

log = structlog.get_logger()

MAX_PIPELINE = 256

Command = tuple[str | bytes | int | float, ...]
Result = TypeVar("Result")


class _Item(NamedTuple):
    commands: tuple[Command, ...]
    read: Callable[[Sequence[Any]], Any]
    future: asyncio.Future[Any]


class RedisBatch:
    """One round trip for whatever is submitted in one turn of the event loop; at most one is under way.

    What arrives meanwhile is the next batch. The commands are not a transaction.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[_Item] = []
        self._sender: asyncio.Task[None] | None = None

    def submit(self, *commands: Command, read: Callable[[Sequence[Any]], Result]) -> asyncio.Future[Result]:
        """What `read` makes of the commands' answers. Queued at once, before the future is awaited.

        The future raises DependencyUnavailable when Redis does not answer, or refuses one of the commands.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Item(commands, read, future))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), name="redis-batch-sender")
        return future

    async def _send_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_PIPELINE], self._waiting[MAX_PIPELINE:]
            try:
                answers = await self._send(batch)
            except (RedisError, OSError, TimeoutError) as exc:
                log.error("redis_failed", error=type(exc).__name__)
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
        if refusals:
            log.error("redis_refused", error=type(refusals[0]).__name__)
            _fail(item)
        elif not item.future.done():
            item.future.set_result(item.read(own))


def _fail(item: _Item) -> None:
    if not item.future.done():
        item.future.set_exception(DependencyUnavailable("The cache does not answer."))
