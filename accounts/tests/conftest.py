"""Fixtures of the account tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from django.test import Client
from pytest_django import Settings
from redis.asyncio import Redis

from accounts.authentication import Authenticator
from accounts.models import Role, User
from accounts.redis_batch import RedisBatch
from accounts.stamps import open_stamps
from accounts.tests.chat_plane import CountingWorker
from gateway.tests.databases import Stores


@pytest.fixture
def many_logins(settings: Settings) -> None:
    """As many attempts to log in as a test needs."""
    settings.LOGIN_RATE = "0/m"


@pytest.fixture
def root() -> User:
    return User.objects.create(username="root", role=Role.ADMIN)


@pytest.fixture
def mina() -> User:
    return User.objects.create(username="mina", email="mina@example.com")


@pytest.fixture
def web(root: User) -> Client:
    """The administrator's browser."""
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
async def worker() -> AsyncIterator[CountingWorker]:
    running = CountingWorker()
    yield running
    await running.stop()


@pytest.fixture
async def authenticator(worker: CountingWorker, stores: Stores) -> AsyncIterator[Authenticator]:
    """On the stores of this test run: a file beside SQLite, or Redis."""
    redis = Redis.from_url(stores.redis_url) if stores.redis_url else None
    made = Authenticator(worker, open_stamps(RedisBatch(redis) if redis else None))
    yield made
    await made.settled()
    if redis:
        await redis.aclose()
