"""What is particular to the batch when Redis fails it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from accounts.redis_batch import Operation, RedisBatch
from gateway.errors import DependencyUnavailable
from modelops.simulator.process import find_free_port


class Hanging:
    """A server that takes connections and never says a word."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.has_caller = asyncio.Event()
        self._open: list[asyncio.StreamWriter] = []

    def _take(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.has_caller.set()
        self._open.append(writer)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Redis]:
        """A client of it that waits for a tenth of a second."""
        server = await asyncio.start_server(self._take, "127.0.0.1")
        self.port = server.sockets[0].getsockname()[1]
        redis = Redis(host="127.0.0.1", port=self.port, socket_timeout=0.1, retry=Retry(NoBackoff(), 0))
        yield redis
        await redis.aclose()
        for writer in self._open:
            writer.close()
        server.close()


PING = Operation[None, Any](lambda items: ("PING",), lambda items, answer: [answer] * len(items))


async def ask(batch: RedisBatch) -> object:
    return await batch.submit(PING, None)


async def test_redis_that_hangs_is_waited_for_once_and_not_by_everybody() -> None:
    hanging = Hanging()
    async with hanging.running() as redis:
        batch = RedisBatch(redis, slow_s=0.05)
        first = asyncio.create_task(ask(batch))
        await hanging.has_caller.wait()
        meanwhile = asyncio.create_task(ask(batch))

        results = await asyncio.gather(first, meanwhile, return_exceptions=True)
        later = await asyncio.gather(*(ask(batch) for _ in range(5)), return_exceptions=True)

    assert {type(result) for result in (*results, *later)} == {DependencyUnavailable}
    assert hanging.connections == 1


async def test_redis_that_refuses_at_once_is_asked_again_at_once() -> None:
    redis = Redis(host="127.0.0.1", port=find_free_port(), retry=Retry(NoBackoff(), 0))
    batch = RedisBatch(redis, slow_s=60)

    results = [await asyncio.gather(ask(batch), return_exceptions=True) for _ in range(3)]

    assert [type(result) for (result,) in results] == [DependencyUnavailable] * 3
    assert batch._backs_off_until == 0
    await redis.aclose()
