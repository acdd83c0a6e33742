"""Cache invalidation: lets every process see that an account changed without a query (docs/adr/0007).

Each account has a stamp that all processes can read cheaply. A cached account is valid as long as the account
still has the stamp that was read *before* the account was. Code that changes the rights of an account or a
credential wraps the change in `account_change`.

The stamps are stored
- in Redis, when there is one: a random value per account. Without a value nothing may be cached until a new
  one is set, so a Redis that lost its data costs a reload, never a stale answer.
- beside the SQLite file otherwise: one stamp for all accounts, a file that grows with every change.
- nowhere on PostgreSQL without Redis: nothing is cached.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import structlog
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django_redis import get_redis_connection
from redis.asyncio import Redis
from redis.exceptions import RedisError

from accounts.models import UnannouncedChange
from accounts.redis_batch import Command, Operation, RedisBatch, Script
from gateway.batching import BatchWorker
from gateway.conf import get_config
from gateway.errors import DependencyUnavailable

log = structlog.get_logger()

CHANGING = b"changing"
CHANGING_LIFE_S = 60
"""A change has to commit within this time after it was announced."""
STAMP_LIFE_S = 600
MAX_PIPELINE = 1000


class Stamps(Protocol):
    """Reads stamps, on the event loop."""

    def ask(self, user_id: uuid.UUID) -> asyncio.Future[bytes | None]:
        """The account's stamp; None when there is none, or while the account is being changed.

        Sent without being awaited, so that it shares a round trip with the next call. The future raises
        DependencyUnavailable.
        """

    async def renew(self, user_id: uuid.UUID) -> bytes | None:
        """As `ask`, but creates a stamp for an account without one."""


class NoStamps:
    """For processes that share a database and nothing else: no stamps, so nothing is cached."""

    def ask(self, user_id: uuid.UUID) -> asyncio.Future[bytes | None]:
        return _done(None)

    async def renew(self, user_id: uuid.UUID) -> bytes | None:
        return None


RENEW = Script("""
-- KEYS: of the accounts. ARGV: the life of a stamp in s, then for each key a stamp, should it have none.
-- Answers the stamps.
local stamps = {}
for i, key in ipairs(KEYS) do
  redis.call('SET', key, ARGV[i + 1], 'NX', 'EX', ARGV[1])
  stamps[i] = redis.call('GET', key)
end
return stamps
""")


class RedisStamps:
    def __init__(self, batch: RedisBatch) -> None:
        self._batch = batch

    def ask(self, user_id: uuid.UUID) -> asyncio.Future[bytes | None]:
        return self._batch.submit(_ASK, user_id)

    async def renew(self, user_id: uuid.UUID) -> bytes | None:
        return await self._batch.submit(_RENEW, user_id)


class FileStamps:
    """One stamp for all accounts: identity, size and time of a file that every change appends to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self, user_id: uuid.UUID) -> asyncio.Future[bytes | None]:
        return _done(self._read())

    async def renew(self, user_id: uuid.UUID) -> bytes | None:
        # Opened, not touched: what is there keeps its time, and so its stamp.
        with _unavailable_if_not_written():
            self._path.open("ab").close()
        return self._read()

    def _read(self) -> bytes | None:
        # Microseconds, so not worth a thread.
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return b"%d %d %d" % (found.st_ino, found.st_size, found.st_mtime_ns)


def open_stamps(batch: RedisBatch | None) -> Stamps:
    """The stamps that `account_change` of this deployment writes; `batch` when it has Redis."""
    if batch is not None:
        return RedisStamps(batch)
    path = _stamp_file()
    return FileStamps(path) if path else NoStamps()


@contextmanager
def account_change(*user_ids: uuid.UUID, is_forced: bool = False) -> Iterator[None]:
    """A transaction that changes the rights of these accounts or of their credentials.

    Every process sees the change on its next request. It is announced before the commit and confirmed after
    it; in between, and for a minute if this process dies there, no process caches these accounts. Raises
    DependencyUnavailable, and changes nothing, when it cannot be announced; a forced change is made all the
    same, and web processes announce it when they reach Redis (`announce_forced_changes`).
    """
    with transaction.atomic():
        yield
        try:
            _announce(user_ids)
        except DependencyUnavailable:
            if not is_forced:
                raise
            UnannouncedChange.objects.bulk_create(UnannouncedChange(user_id=pk) for pk in user_ids)
        transaction.on_commit(partial(_confirm, user_ids))


async def announce_forced_changes(redis: Redis, worker: BatchWorker) -> None:
    """Make every process read again the accounts that were changed while Redis was away.

    Any number of processes may do so at a time. Raises DependencyUnavailable, and tries again when called
    again, while Redis or the database is away.
    """
    while rows := await worker.submit(_load_unannounced, None):
        try:
            await redis.delete(*(_key(row.user_id) for row in rows))
        except (RedisError, OSError) as exc:
            raise DependencyUnavailable("The cache does not answer.") from exc
        await worker.submit(_forget_announced, [row.pk for row in rows])
        log.info("forced_changes_announced", count=len(rows))


def _load_unannounced(asked: Sequence[None]) -> list[list[UnannouncedChange]]:
    return [list(UnannouncedChange.objects.all()[:MAX_PIPELINE])] * len(asked)


def _forget_announced(batches: Sequence[list[uuid.UUID]]) -> list[None]:
    # By row: the same account may have been changed once more since.
    UnannouncedChange.objects.filter(pk__in=[pk for batch in batches for pk in batch]).delete()
    return [None] * len(batches)


def _announce(user_ids: Sequence[uuid.UUID]) -> None:
    if get_config().redis_url:
        try:
            _for_each(user_ids, lambda pipeline, key: pipeline.set(key, CHANGING, ex=CHANGING_LIFE_S))
        except (RedisError, OSError) as exc:
            log.error("redis_failed", error=type(exc).__name__)
            raise DependencyUnavailable("The cache does not answer; nothing was changed.") from exc
    elif path := _stamp_file():
        _grow(path)


def _confirm(user_ids: Sequence[uuid.UUID]) -> None:
    if get_config().redis_url:
        try:
            _for_each(user_ids, lambda pipeline, key: pipeline.delete(key))
        except (RedisError, OSError) as exc:
            # The announcement stands and ends by itself: until then these accounts are read every time.
            log.warning("redis_failed", error=type(exc).__name__)
    elif path := _stamp_file():
        _grow(path)


def _for_each(user_ids: Iterable[uuid.UUID], work: Callable[[Any, str], object]) -> None:
    redis = get_redis_connection("default")
    keys = [_key(user_id) for user_id in user_ids]
    for start in range(0, len(keys), MAX_PIPELINE):
        pipeline = redis.pipeline(transaction=False)
        for key in keys[start : start + MAX_PIPELINE]:
            work(pipeline, key)
        pipeline.execute()


def _grow(path: Path) -> None:
    # Appended to, not only touched: two changes within one tick of the file system's clock must differ.
    with _unavailable_if_not_written(), path.open("ab") as file:
        file.write(b".")


@contextmanager
def _unavailable_if_not_written() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        log.error("stamp_not_written", error=type(exc).__name__)
        raise DependencyUnavailable("The data folder cannot be written to.") from exc


def _stamp_file() -> Path | None:
    """Beside the SQLite file, so that whoever shares the database shares it; None on PostgreSQL."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "sqlite":
        return None
    return Path(f"{connection.settings_dict['NAME']}.accounts")


def _key(user_id: uuid.UUID) -> str:
    return f"gateway:account:{user_id}"


def _ask_command(user_ids: Sequence[uuid.UUID]) -> Command:
    return ("MGET", *map(_key, user_ids))


def _renew_command(user_ids: Sequence[uuid.UUID]) -> Command:
    return RENEW.call([*map(_key, user_ids)], [STAMP_LIFE_S, *(secrets.token_hex(8) for _ in user_ids)])


def _read_stamps(user_ids: Sequence[uuid.UUID], answers: Sequence[bytes | None]) -> list[bytes | None]:
    return [None if stamp == CHANGING else stamp for stamp in answers]


_ASK = Operation(_ask_command, _read_stamps)
_RENEW = Operation(_renew_command, _read_stamps, RENEW)


def _done(stamp: bytes | None) -> asyncio.Future[bytes | None]:
    future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
    future.set_result(stamp)
    return future
