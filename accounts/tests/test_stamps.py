"""How one process learns that another one changed an account."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from redis.asyncio import Redis

from accounts import stamps
from accounts.models import User
from accounts.redis_batch import RedisBatch
from accounts.stamps import FileStamps, RedisStamps, account_change, open_stamps
from gateway.errors import DependencyUnavailable
from gateway.tests.databases import Stores

MINA = uuid.uuid4()


@pytest.fixture
def mina(transactional_db: None) -> User:
    return User.objects.create(username="mina")


@pytest.fixture
async def redis(stores: Stores) -> AsyncIterator[Redis]:
    client = Redis.from_url(stores.redis_url)
    yield client
    await client.aclose()


def change(user_id: uuid.UUID, *, fail: bool = False) -> None:
    try:
        with account_change(user_id):
            User.objects.filter(pk=user_id).update(locale="ko")
            if fail:
                raise LookupError
    except LookupError:
        pass
    finally:
        connections.close_all()


async def test_missing_stamp_is_none_until_it_is_renewed(tmp_path: Path) -> None:
    reader = FileStamps(tmp_path / "stamps")

    assert await reader.ask(MINA) is None
    fresh = await reader.renew(MINA)

    assert fresh is not None
    assert await reader.ask(MINA) == fresh


async def test_two_changes_within_one_tick_of_the_clock_differ(
    tmp_path: Path,
) -> None:
    path = tmp_path / "stamps"
    reader = FileStamps(path)
    seen = {await reader.renew(MINA)}

    for _ in range(50):
        stamps._grow(path)
        os.utime(path, ns=(0, 0))
        seen.add(await reader.ask(MINA))

    assert len(seen) == 51


def test_data_folder_that_cannot_be_written_refuses_the_change(
    mina: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A change that nobody would hear of is not made."""
    monkeypatch.setattr(stamps, "get_config", lambda: type("Config", (), {"redis_url": ""}))
    monkeypatch.setattr(stamps, "_stamp_file", lambda: tmp_path / "no-such-folder" / "stamps")

    with pytest.raises(DependencyUnavailable):
        change(mina.pk)

    mina.refresh_from_db()
    assert mina.locale == ""


async def test_every_reader_sees_a_change_whatever_the_store(transactional_db: None, stores: Stores) -> None:
    client = Redis.from_url(stores.redis_url) if stores.redis_url else None
    readers = [open_stamps(RedisBatch(client) if client else None) for _ in range(2)]
    before = {await reader.renew(MINA) for reader in readers}

    await asyncio.to_thread(change, MINA)
    after = {await reader.ask(MINA) or await reader.renew(MINA) for reader in readers}

    if client:
        await client.aclose()
    assert (len(before), len(after)) == (1, 1)
    assert before.isdisjoint(after)


@pytest.mark.services
async def test_nothing_is_remembered_while_a_change_is_under_way(
    redis: Redis, transactional_db: None
) -> None:
    reader = RedisStamps(RedisBatch(redis))
    await reader.renew(MINA)
    during: list[Any] = []

    def change_slowly() -> None:
        try:
            with account_change(MINA):
                stamps._announce([MINA])
                during.extend(asyncio.run_coroutine_threadsafe(ask(), loop).result(10) for _ in range(2))
        finally:
            connections.close_all()

    async def ask() -> bytes | None:
        return await reader.ask(MINA) or await reader.renew(MINA)

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(change_slowly)

    assert during == [None, None]
    assert await reader.ask(MINA) is None
    assert await reader.renew(MINA) is not None


@pytest.mark.services
async def test_announcement_of_a_change_that_never_came_ends_by_itself(
    redis: Redis, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between announcing and committing leaves nothing behind."""
    monkeypatch.setattr(stamps, "_confirm", lambda user_ids: None)

    await asyncio.to_thread(change, MINA)

    assert 0 < await redis.ttl(f"gateway:account:{MINA}") <= stamps.CHANGING_LIFE_S


@pytest.mark.services
async def test_redis_that_forgot_everything_makes_no_old_stamp_good_again(redis: Redis) -> None:
    reader = RedisStamps(RedisBatch(redis))
    old = await reader.renew(MINA)

    await redis.delete(f"gateway:account:{MINA}")

    assert await reader.ask(MINA) is None
    assert await reader.renew(MINA) not in (None, old)


@pytest.mark.services
async def test_stamps_end_by_themselves(redis: Redis) -> None:
    user = uuid.uuid4()

    await RedisStamps(RedisBatch(redis)).renew(user)

    assert 0 < await redis.ttl(f"gateway:account:{user}") <= stamps.STAMP_LIFE_S


def test_changing_nobody_known_is_a_change_like_any_other(transactional_db: None) -> None:
    change(uuid.uuid4(), fail=True)

    assert not User.objects.exists()
