"""PostgreSQL and Redis for the gateway under test: the servers that the test run uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import psycopg

from benchmarks.process_usage import read_cpu_s
from gateway.tests.services import ServiceMissing, find_postgres, find_redis, start_services


@dataclass(frozen=True)
class StoresCpu:
    """Seconds of CPU time."""

    postgres_s: float = 0.0
    redis_s: float = 0.0

    def since(self, earlier: StoresCpu) -> StoresCpu:
        return StoresCpu(self.postgres_s - earlier.postgres_s, self.redis_s - earlier.redis_s)


@dataclass(frozen=True)
class Stores:
    """Empty URLs mean that the gateway runs on its embedded defaults instead; `missing` says why."""

    database_url: str = ""
    redis_url: str = ""
    missing: str = ""
    postgres_pid: int | None = None
    redis_pid: int | None = None

    def read_cpu_s(self) -> StoresCpu:
        """Of both servers so far; zero where they are not used."""
        return StoresCpu(*(read_cpu_s(pid) if pid else 0.0 for pid in (self.postgres_pid, self.redis_pid)))

    def count_connections(self) -> int | None:
        """Connections to the database other than this one; None where it is not PostgreSQL."""
        if not self.database_url:
            return None
        with psycopg.connect(self.database_url, connect_timeout=5) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchone()
        return int(row[0]) if row else 0


@contextmanager
def running_stores() -> Iterator[Stores]:
    """Both servers, or neither where one is not installed."""
    try:
        find_postgres(), find_redis()
    except ServiceMissing as exc:
        yield Stores(missing=str(exc))
        return
    with start_services() as services:
        yield Stores(
            services.database_url,
            services.redis_url,
            postgres_pid=_find_child("postgres"),
            redis_pid=_find_child("redis-server"),
        )


def _find_child(name: str) -> int:
    """The server of that name that this process started."""
    return next(child.pid for child in psutil.Process().children() if child.name().startswith(name))
