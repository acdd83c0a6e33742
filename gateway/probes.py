"""How the stores of a web process are: checks that are bounded in time, however many clients ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.batching import BatchWorker
from gateway.errors import DependencyUnavailable, GatewayError

log = structlog.get_logger()

LIFE_S = 1.0
"""An outcome counts for this long, whoever asks."""
LINE_PERIOD_S = 60.0
"""Probes come every few seconds and say the same; those that fail are logged each time."""
TIMEOUT_S = 1.5
"""What takes longer counts as unavailable: the whole answer comes within two seconds, whatever hangs."""


@dataclass(frozen=True)
class Outcome:
    is_ok: bool
    latency_ms: float

    @property
    def status(self) -> str:
        return "ok" if self.is_ok else "unavailable"

    def describe(self) -> dict[str, Any]:
        return {"status": self.status, "latency_ms": self.latency_ms}


class Probe:
    """A check of one dependency, run at most once in LIFE_S: whoever asks meanwhile gets the same outcome.

    `check` answers the milliseconds that it took, and raises GatewayError or RedisError when it fails. With
    `lasts`, a good outcome counts for ever.
    """

    def __init__(self, name: str, check: Callable[[], Awaitable[float]], *, lasts: bool = False) -> None:
        self._name = name
        self._check = check
        self._lasts = lasts
        self._outcome: Outcome | None = None
        self._asked_at = 0.0
        self._running: asyncio.Task[Outcome] | None = None

    async def look(self) -> Outcome:
        if self._running is None:
            if self._outcome is not None and self._is_good_for_now(self._outcome):
                return self._outcome
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(self._running)

    def _is_good_for_now(self, outcome: Outcome) -> bool:
        return (self._lasts and outcome.is_ok) or time.monotonic() < self._asked_at + LIFE_S

    async def _run(self) -> Outcome:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                outcome = Outcome(True, await self._check())
        except (GatewayError, RedisError, TimeoutError) as exc:
            log.warning("probe_failed", probe=self._name, error=type(exc).__name__)
            outcome = Outcome(False, round((time.perf_counter() - started) * 1000, 1))
        finally:
            self._running = None
            self._asked_at = time.monotonic()
        self._outcome = outcome
        return outcome


class StoreProbes:
    """The probes of one web process. The database is asked by `worker`, whose connection is there already."""

    def __init__(self, worker: BatchWorker, redis: Redis | None) -> None:
        self._worker = worker
        self._redis = redis
        self._database = Probe("database", self._ask_database)
        self._cache = Probe("cache", self._ask_cache)
        self._migrations = Probe("migrations", self._ask_for_migrations, lasts=True)

    @property
    def database_name(self) -> str:
        return "postgres" if connection.vendor == "postgresql" else connection.vendor

    @property
    def cache_name(self) -> str:
        return "memory" if self._redis is None else "redis"

    async def look_at_stores(self) -> tuple[Outcome, Outcome]:
        """The database's outcome and the cache's, asked at the same time."""
        return await asyncio.gather(self._database.look(), self._cache.look())

    async def look_at_everything(self) -> tuple[Outcome, Outcome, Outcome]:
        """Those, and whether every migration has been applied."""
        return await asyncio.gather(self._database.look(), self._cache.look(), self._migrations.look())

    async def _ask_database(self) -> float:
        return await self._worker.submit(select_one, None)

    async def _ask_for_migrations(self) -> float:
        return await self._worker.submit(find_unapplied_migrations, None)

    async def _ask_cache(self) -> float:
        if self._redis is None:
            return 0.0
        started = time.perf_counter()
        await self._redis.set("gateway-probe", "1", ex=5)
        return _ms_since(started)


class ProbeLog:
    """Which good probes get a line of the access log: of each path one in LINE_PERIOD_S."""

    def __init__(self) -> None:
        self._logged_at: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def note(self, path: str, now: float) -> int | None:
        """How many had no line since the last one; None where this one gets none. `now` is in seconds."""
        last = self._logged_at.get(path)
        if last is not None and now < last + LINE_PERIOD_S:
            self._unlogged[path] = self._unlogged.get(path, 0) + 1
            return None
        self._logged_at[path] = now
        return self._unlogged.pop(path, 0)


@lru_cache(maxsize=1)
def open_probes(worker: BatchWorker, redis: Redis | None) -> StoreProbes:
    """This process's probes: the same for the same worker."""
    return StoreProbes(worker, redis)


def select_one(items: Sequence[None]) -> list[float]:
    """A handler for a BatchWorker: the milliseconds that the database took."""
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return [_ms_since(started)] * len(items)


def find_unapplied_migrations(items: Sequence[None]) -> Sequence[float | Exception]:
    """The same, after looking for migrations that were not applied, which is an error."""
    started = time.perf_counter()
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return [DependencyUnavailable("The database has unapplied migrations.")] * len(items)
    return [_ms_since(started)] * len(items)


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
