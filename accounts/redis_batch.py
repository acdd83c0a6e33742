"""Sends the Redis commands of concurrent requests in one round trip, equal operations as one command."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from gateway.errors import DependencyUnavailable
from gateway.metrics import REDIS_LATENCY

log = structlog.get_logger()

MAX_BATCH = 256
"""Items per round trip: while a script runs for them, Redis does nothing else."""
SLOW_S = 0.5
"""A Redis that took this long to fail hangs: further calls would make every request wait as long."""
BACK_OFF_S = 1.0
"""How long calls fail at once after that."""

Command = tuple[str | bytes | int | float, ...]
Item = TypeVar("Item")
Result = TypeVar("Result")


class Script:
    """A Lua script, called by its hash. Its text is sent only to a Redis that does not know the hash."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.hash = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], arguments: Sequence[str | int]) -> Command:
        return ("EVALSHA", self.hash, len(keys), *keys, *arguments)


@dataclass(frozen=True, eq=False)
class Operation(Generic[Item, Result]):
    """One command for any number of items, and how its answer is split into their results, in order.

    A result that is an exception is raised by that item's future alone.
    """

    command: Callable[[Sequence[Item]], Command]
    read: Callable[[Sequence[Item], Any], Sequence[Result | Exception]]
    script: Script | None = None
    """The script that the command calls."""
    rank: int = 0
    """Within a round trip, lower ranks are sent first."""


class _Job(NamedTuple):
    operation: Operation[Any, Any]
    item: Any
    future: asyncio.Future[Any]


class RedisBatch:
    """Sends what is submitted in one turn of the event loop in one round trip, one round trip at a time.

    Items submitted meanwhile are the next batch. The commands are not a transaction. An item whose future is
    cancelled before it is sent is not sent. After Redis hung once, submissions fail at once for BACK_OFF_S.
    """

    def __init__(self, redis: Redis, *, slow_s: float = SLOW_S) -> None:
        self._redis = redis
        self._slow_s = slow_s
        self._backs_off_until = 0.0
        self._waiting: list[_Job] = []
        self._sender: asyncio.Task[None] | None = None

    def submit(self, operation: Operation[Item, Result], item: Item) -> asyncio.Future[Result]:
        """The operation's result for the item. Queued at once, before the future is awaited.

        The future raises DependencyUnavailable when Redis does not answer, or refuses the command.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        job = _Job(operation, item, future)
        if time.monotonic() < self._backs_off_until:
            _fail([job])
            return future
        self._waiting.append(job)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), name="redis-batch-sender")
        return future

    async def _send_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            started = time.monotonic()
            try:
                await self._carry_out(_grouped(batch))
            except (RedisError, OSError, TimeoutError) as exc:
                log.error("redis_failed", error=type(exc).__name__)
                if time.monotonic() >= started + self._slow_s:
                    # The items submitted meanwhile have waited long enough, too.
                    self._backs_off_until = time.monotonic() + BACK_OFF_S
                    batch, self._waiting = [*batch, *self._waiting], []
                _fail(batch)
        self._sender = None

    async def _carry_out(self, groups: Sequence[Sequence[_Job]]) -> None:
        if not groups:
            return
        answers = await self._send([_command_of(jobs) for jobs in groups])
        unknown = []
        for jobs, answer in zip(groups, answers, strict=True):
            if isinstance(answer, NoScriptError):
                unknown.append(jobs)
            else:
                _settle(jobs, answer)
        if unknown:
            scripts = {jobs[0].operation.script for jobs in unknown}
            load = [("SCRIPT LOAD", script.text) for script in scripts if script is not None]
            answers = await self._send([*load, *map(_command_of, unknown)])
            for jobs, answer in zip(unknown, answers[len(load) :], strict=True):
                _settle(jobs, answer)

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        began_at = time.perf_counter()
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        REDIS_LATENCY.observe(time.perf_counter() - began_at)
        return answers


def _grouped(jobs: Sequence[_Job]) -> list[list[_Job]]:
    """The jobs that were not cancelled, by operation, in the order of their ranks."""
    groups: dict[Operation[Any, Any], list[_Job]] = {}
    for job in jobs:
        if not job.future.done():
            groups.setdefault(job.operation, []).append(job)
    return [groups[operation] for operation in sorted(groups, key=lambda operation: operation.rank)]


def _command_of(jobs: Sequence[_Job]) -> Command:
    return jobs[0].operation.command([job.item for job in jobs])


def _settle(jobs: Sequence[_Job], answer: Any) -> None:
    if isinstance(answer, Exception):
        log.error("redis_refused", error=type(answer).__name__)
        _fail(jobs)
        return
    results = jobs[0].operation.read([job.item for job in jobs], answer)
    for job, result in zip(jobs, results, strict=True):
        if job.future.done():
            continue
        if isinstance(result, Exception):
            _refuse(job.future, result)
        else:
            job.future.set_result(result)


def _fail(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if not job.future.done():
            _refuse(job.future, DependencyUnavailable("The cache does not answer."))


def _refuse(future: asyncio.Future[Any], error: Exception) -> None:
    """Raise the error where the future is awaited. Where nobody awaits it any more, asyncio logs nothing."""
    future.set_exception(error)
    future.exception()
