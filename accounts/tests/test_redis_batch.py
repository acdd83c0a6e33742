"""What is particular to the batch when Redis fails it."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from accounts.redis_batch import Operation, RedisBatch
from accounts.tests.hanging_redis import Hanging
from gateway.errors import DependencyUnavailable
from modelops.simulator.process import find_free_port

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


async def test_failure_that_nobody_waits_for_any_more_is_no_line_of_asyncios() -> None:
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: said.append(context))
    redis = Redis(host="127.0.0.1", port=find_free_port(), retry=Retry(NoBackoff(), 0))
    batch = RedisBatch(redis)

    abandoned = batch.submit(PING, None)
    await asyncio.gather(ask(batch), return_exceptions=True)
    is_failed = abandoned.done()
    del abandoned
    gc.collect()

    assert is_failed
    assert said == []
    await redis.aclose()
