"""Chat requests per user and window, counted in memory and in Redis."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from accounts.limits import MemoryCounter, RateLimiter, RedisCounter
from gateway.errors import DependencyUnavailable, RateLimitExceeded
from modelops.simulator.process import find_free_port


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 1_000_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Twenty seconds before the end of a minute."""
    return Clock()


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client = Redis.from_url(os.environ["REDIS_URL"])
    yield client
    await client.aclose()


def limiter_with(clock: Clock, *, limit: int = 2, window_s: int = 60) -> RateLimiter:
    return RateLimiter(MemoryCounter(clock), limit=limit, window_s=window_s, clock=clock)


async def test_requests_within_the_limit_learn_what_is_left(clock: Clock) -> None:
    limiter = limiter_with(clock)

    decisions = [await limiter.admit("mina"), await limiter.admit("mina")]

    assert [d.headers for d in decisions if d] == [
        {
            "x-ratelimit-limit-requests": "2",
            "x-ratelimit-remaining-requests": left,
            "x-ratelimit-reset-requests": "20s",
        }
        for left in ("1", "0")
    ]


async def test_request_past_the_limit_learns_when_to_come_back(clock: Clock) -> None:
    limiter = limiter_with(clock, limit=1)
    await limiter.admit("mina")

    with pytest.raises(RateLimitExceeded) as caught:
        await limiter.admit("mina")

    assert caught.value.headers == {
        "Retry-After": "20",
        "x-ratelimit-limit-requests": "1",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "20s",
    }


async def test_retry_after_of_a_long_window_is_a_minute_at_most(clock: Clock) -> None:
    limiter = limiter_with(clock, limit=1, window_s=86_400)
    await limiter.admit("mina")

    with pytest.raises(RateLimitExceeded) as caught:
        await limiter.admit("mina")

    assert caught.value.headers["Retry-After"] == "60"


async def test_next_window_starts_from_zero(clock: Clock) -> None:
    limiter = limiter_with(clock, limit=1)
    await limiter.admit("mina")

    clock.now += 19.9
    with pytest.raises(RateLimitExceeded):
        await limiter.admit("mina")
    clock.now += 0.2
    decision = await limiter.admit("mina")

    assert decision is not None
    assert decision.used == 1


async def test_each_key_has_its_own_count(clock: Clock) -> None:
    limiter = limiter_with(clock, limit=1)

    await limiter.admit("mina")
    decision = await limiter.admit("juno")

    assert decision is not None
    assert decision.used == 1


async def test_limit_of_zero_is_no_limit(clock: Clock) -> None:
    limiter = limiter_with(clock, limit=0)

    assert [await limiter.admit("mina") for _ in range(3)] == [None] * 3


async def test_memory_counter_keeps_nothing_of_old_windows(clock: Clock) -> None:
    counter = MemoryCounter(clock)
    limiter = RateLimiter(counter, limit=5, window_s=60, clock=clock)
    for user in range(50):
        await limiter.admit(f"user-{user}")

    clock.now += 60
    await limiter.admit("mina")

    assert len(counter._counts) == 1


async def test_memory_counter_forgets_nothing_of_the_running_window(clock: Clock) -> None:
    counter = MemoryCounter(clock)
    limiter = RateLimiter(counter, limit=100, window_s=60, clock=clock)
    used = []

    for moment in (0, 25, 30, 59, 65, 79):
        clock.now = 1_000_000_000.0 + moment
        decision = await limiter.admit("mina")
        assert decision is not None
        used.append(decision.used)

    assert used == [1, 1, 2, 3, 4, 5]


@pytest.mark.services
async def test_redis_counts_across_counters_and_forgets_after_the_window(redis: Redis) -> None:
    key = f"test:{uuid.uuid4()}"

    counts = [await RedisCounter(redis).increment(key, 30) for _ in range(3)]

    assert counts == [1, 2, 3]
    assert 0 < await redis.ttl(key) <= 30


@pytest.mark.services
async def test_redis_counts_each_of_many_concurrent_requests_once(redis: Redis) -> None:
    counter = RedisCounter(redis)
    keys = [f"test:{uuid.uuid4()}" for _ in range(2)]

    counts = await asyncio.gather(*(counter.increment(keys[n % 2], 30) for n in range(600)))

    assert sorted(counts[::2]) == list(range(1, 301))
    assert sorted(counts[1::2]) == list(range(1, 301))


@pytest.mark.services
async def test_concurrent_requests_share_a_round_trip(redis: Redis) -> None:
    counter = RedisCounter(redis)
    before = (await redis.info("stats"))["total_commands_processed"]
    reads_before = (await redis.info("stats"))["total_reads_processed"]

    await asyncio.gather(*(counter.increment(f"test:{uuid.uuid4()}", 30) for _ in range(200)))

    stats = await redis.info("stats")
    assert stats["total_commands_processed"] - before >= 400
    assert stats["total_reads_processed"] - reads_before < 50


@pytest.mark.services
async def test_limiter_in_redis_refuses_past_the_limit(redis: Redis, clock: Clock) -> None:
    limiter = RateLimiter(RedisCounter(redis), limit=1, window_s=60, clock=clock)
    key = str(uuid.uuid4())

    await limiter.admit(key)
    with pytest.raises(RateLimitExceeded):
        await limiter.admit(key)
    clock.now += 60
    decision = await limiter.admit(key)

    assert decision is not None
    assert decision.used == 1


@pytest.mark.services
async def test_request_that_left_does_not_disturb_its_neighbours(redis: Redis) -> None:
    counter = RedisCounter(redis)
    leaver = asyncio.create_task(counter.increment(f"test:{uuid.uuid4()}", 30))
    stayer = asyncio.create_task(counter.increment(f"test:{uuid.uuid4()}", 30))
    await asyncio.sleep(0)

    leaver.cancel()

    assert await stayer == 1


async def test_redis_that_is_down_is_an_unavailable_dependency_every_time() -> None:
    redis = Redis(host="127.0.0.1", port=find_free_port(), retry=Retry(NoBackoff(), 0))
    counter = RedisCounter(redis)

    for _ in range(2):
        results = await asyncio.gather(
            *(counter.increment(key, 30) for key in ("a", "b")), return_exceptions=True
        )
        assert [type(result) for result in results] == [DependencyUnavailable] * 2

    await redis.aclose()
