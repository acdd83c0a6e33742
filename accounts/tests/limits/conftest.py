"""Stores to count in, and rules to count by."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from accounts.limits.redis import RedisLimits
from accounts.limits.store import LimitStore, MemoryLimits
from accounts.redis_batch import RedisBatch
from gateway.tests.databases import Stores

LEASE_S = 0.4


@pytest.fixture
async def redis(stores: Stores) -> AsyncIterator[Redis]:
    client = Redis.from_url(stores.redis_url)
    yield client
    await client.aclose()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.services)])
async def limit_stores(request: pytest.FixtureRequest) -> AsyncIterator[list[LimitStore]]:
    """Two views of one store: what two web processes have of Redis, and one has of its memory."""
    if request.param == "memory":
        yield [MemoryLimits(lease_s=LEASE_S)] * 2
        return
    url = request.getfixturevalue("stores").redis_url
    clients = [Redis.from_url(url) for _ in range(2)]
    yield [RedisLimits(RedisBatch(client), lease_s=LEASE_S) for client in clients]
    for client in clients:
        await client.aclose()


@pytest.fixture
def store(limit_stores: list[LimitStore]) -> LimitStore:
    return limit_stores[0]


@pytest.fixture
def name() -> str:
    """Whom it is about, in this test and in no other."""
    return f"test:{uuid.uuid4()}"
