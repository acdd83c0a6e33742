"""What is particular to counting in Redis: one round trip, scripts told again, nothing for ever."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from accounts.limits.redis import RedisLimits
from accounts.limits.rules import Decision, Rule
from accounts.limits.store import AnswerLease, MemoryLimits
from accounts.limits.without_redis import FallbackLimits
from accounts.models import LimitKind
from accounts.redis_batch import RedisBatch
from accounts.stamps import RedisStamps
from gateway.errors import DependencyUnavailable
from modelops.simulator.process import find_free_port


def rules_of(name: str) -> tuple[Rule, ...]:
    return (
        Rule(LimitKind.REQUESTS, f"{name}:requests", 1000, 60),
        Rule(LimitKind.TOKENS, f"{name}:tokens", 1000, 60),
        Rule(LimitKind.STREAMS, f"{name}:streams", 1000, 0),
    )


@pytest.mark.services
async def test_every_key_ends_by_itself(redis: Redis, name: str) -> None:
    limits = RedisLimits(RedisBatch(redis), lease_s=20)
    await limits.acquire(AnswerLease("a", rules_of(name)))
    await limits.acquire(AnswerLease("b", rules_of(name)))
    await limits.end(AnswerLease("a", rules_of(name)), 5)

    lives = {rule.kind: await redis.ttl(rule.key) for rule in rules_of(name)}

    assert 50 < lives[LimitKind.REQUESTS] <= 60
    assert 50 < lives[LimitKind.TOKENS] <= 60
    assert 10 < lives[LimitKind.STREAMS] <= 20


@pytest.mark.services
async def test_count_that_lost_its_end_gets_one(redis: Redis, name: str) -> None:
    limits = RedisLimits(RedisBatch(redis), lease_s=20)
    rules = rules_of(name)
    for rule in rules[:2]:
        await redis.set(rule.key, 7)

    decision = await limits.acquire(AnswerLease("a", rules))

    assert [count.used for count in decision.counts] == [8, 7, 1]
    assert [0 < await redis.ttl(rule.key) <= 60 for rule in rules[:2]] == [True, True]


@pytest.mark.services
async def test_admission_and_stamp_share_a_round_trip(redis: Redis, name: str) -> None:
    batch = RedisBatch(redis)
    stamps, limits = RedisStamps(batch), RedisLimits(batch, lease_s=20)
    account = uuid.uuid4()
    await stamps.renew(account)
    await limits.acquire(AnswerLease("warm", rules_of(name)))
    before = (await redis.info("stats"))["total_reads_processed"]

    for number in range(20):
        asked = stamps.ask(account)
        await limits.acquire(AnswerLease(f"{number}", rules_of(name)))
        assert asked.done()

    reads = (await redis.info("stats"))["total_reads_processed"] - before
    assert reads <= 22


@pytest.mark.services
async def test_concurrent_requests_share_a_round_trip(redis: Redis, name: str) -> None:
    limits = RedisLimits(RedisBatch(redis), lease_s=20)
    before = (await redis.info("stats"))["total_reads_processed"]

    await asyncio.gather(*(limits.acquire(AnswerLease(f"{n}", rules_of(name))) for n in range(200)))

    assert (await redis.info("stats"))["total_reads_processed"] - before < 50


@pytest.mark.services
async def test_redis_that_forgot_its_scripts_is_told_again(redis: Redis, name: str) -> None:
    limits = RedisLimits(RedisBatch(redis), lease_s=20)
    await limits.acquire(AnswerLease("a", rules_of(name)))

    await redis.script_flush()
    decisions = await asyncio.gather(*(limits.acquire(AnswerLease(f"{n}", rules_of(name))) for n in range(5)))

    assert max(decision.counts[0].used for decision in decisions) == 6


@pytest.mark.services
async def test_what_ends_and_goes_on_survives_forgotten_scripts(redis: Redis, name: str) -> None:
    limits = RedisLimits(RedisBatch(redis), lease_s=20)
    rules = rules_of(name)
    await limits.acquire(AnswerLease("a", rules))
    await redis.script_flush()

    await asyncio.gather(limits.end(AnswerLease("a", rules), 5), limits.renew([AnswerLease("b", rules)]))

    counts = (await limits.acquire(AnswerLease("c", rules))).counts
    assert [count.used for count in counts] == [2, 5, 2]


@pytest.mark.services
async def test_key_that_is_no_count_fails_its_own_request_alone(redis: Redis, name: str) -> None:
    limits = RedisLimits(RedisBatch(redis), lease_s=20)
    good, bad = rules_of(name), rules_of(f"{name}:bad")
    for rule in bad:
        await redis.lpush(rule.key, "no count")

    admitted = await asyncio.gather(
        limits.acquire(AnswerLease("a", good)),
        limits.acquire(AnswerLease("b", bad)),
        limits.acquire(AnswerLease("c", good)),
        return_exceptions=True,
    )
    await asyncio.gather(limits.end(AnswerLease("b", bad), 3), limits.end(AnswerLease("a", good), 3))

    assert [type(outcome) for outcome in admitted] == [Decision, DependencyUnavailable, Decision]
    counts = (await limits.acquire(AnswerLease("d", good))).counts
    assert [count.used for count in counts] == [3, 3, 2]


@pytest.mark.services
async def test_what_ends_makes_room_in_the_same_round_trip(redis: Redis, name: str) -> None:
    """Whoever is told that an answer is over may ask again at once, whoever else asked before."""
    batch = RedisBatch(redis)
    limits = RedisLimits(batch, lease_s=20)
    lease = AnswerLease("a", (Rule(LimitKind.STREAMS, f"{name}:one", 1, 0),))
    await limits.acquire(lease)

    others: list[asyncio.Future[Any]] = [
        batch.submit(limits._renew, lease),
        batch.submit(limits._acquire, AnswerLease("x", rules_of(name))),
        limits.end(lease, 0),
    ]
    decision = await batch.submit(limits._acquire, lease._replace(id="b"))
    await asyncio.gather(*others)

    assert decision.refused is None
    assert [count.used for count in decision.counts] == [1]


@pytest.mark.services
async def test_admission_cancelled_before_it_is_sent_counts_nowhere(redis: Redis, name: str) -> None:
    batch = RedisBatch(redis)
    limits = RedisLimits(batch, lease_s=20)
    rules = rules_of(name)
    batch.submit(limits._acquire, AnswerLease("a", rules)).cancel()
    await limits.end(AnswerLease("a", rules), 0)

    counts = (await limits.acquire(AnswerLease("b", rules))).counts

    assert [count.used for count in counts] == [1, 0, 1]


async def test_redis_that_is_down_is_an_unavailable_dependency_every_time(name: str) -> None:
    redis = Redis(host="127.0.0.1", port=find_free_port(), retry=Retry(NoBackoff(), 0))
    limits = RedisLimits(RedisBatch(redis), lease_s=20)
    lease = AnswerLease("a", rules_of(name))

    for _ in range(2):
        results = await asyncio.gather(
            limits.acquire(lease), limits.end(lease, 1), limits.renew([lease]), return_exceptions=True
        )
        assert [type(result) for result in results] == [DependencyUnavailable] * 3

    await redis.aclose()


async def test_fallback_counts_in_memory_while_redis_is_down(name: str) -> None:
    redis = Redis(host="127.0.0.1", port=find_free_port(), retry=Retry(NoBackoff(), 0))
    limits = FallbackLimits(RedisLimits(RedisBatch(redis), lease_s=20), MemoryLimits(lease_s=20))
    rules = (
        Rule(LimitKind.REQUESTS, f"{name}:requests", 3, 60),
        Rule(LimitKind.TOKENS, f"{name}:tokens", 10, 60),
        Rule(LimitKind.STREAMS, f"{name}:streams", 1, 0),
    )

    first = await limits.acquire(AnswerLease("a", rules))
    busy = await limits.acquire(AnswerLease("b", rules))
    await limits.renew([AnswerLease("a", rules)])
    await limits.end(AnswerLease("a", rules), 10)
    spent = await limits.acquire(AnswerLease("c", rules))
    over = await limits.acquire(AnswerLease("d", rules))

    assert first.refused is None
    assert busy.refused is not None
    assert busy.refused.rule.kind is LimitKind.STREAMS
    assert spent.refused is not None
    assert spent.refused.rule.kind is LimitKind.TOKENS
    assert over.refused is not None
    assert over.refused.rule.kind is LimitKind.REQUESTS
    await redis.aclose()
