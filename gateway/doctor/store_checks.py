"""The database, its migrations, Redis, and whether the clocks agree."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from gateway.database.rows import is_postgresql
from gateway.doctor.findings import Finding, FindingKind, VantagePoint
from gateway.wording import fill_in

SLOW_MS = 50.0
"""A statement that does nothing takes under one on one machine, and a few on one network."""
LARGEST_DRIFT_S = 2.0
NAMED_MIGRATIONS = 5
REDIS_TIMEOUT_S = 2.0


def check_database(place: VantagePoint) -> Iterator[Finding]:
    started = time.perf_counter()
    try:
        connection.ensure_connection()
        connected_ms = _ms_since(started)
        started = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute("SELECT version()" if is_postgresql() else "SELECT 'SQLite ' || sqlite_version()")
            version = str(cursor.fetchone()[0])
    except DatabaseError as exc:
        yield Finding("database", FindingKind.PROBLEM, *_explain_database(exc))
        return
    latency_ms = _ms_since(started)
    facts = {"version": version, "connect_ms": connected_ms, "latency_ms": latency_ms}
    message = fill_in("{version} answers in {ms} ms.", version=_shorten(version), ms=latency_ms)
    if latency_ms > SLOW_MS:
        advice = fill_in(
            "That is slow for a statement that does nothing. Look at the load of the database's machine, "
            "its disk and the network in between."
        )
        yield Finding("database", FindingKind.NOTE, message, advice, facts)
    else:
        yield Finding("database", FindingKind.OK, message, facts=facts)


def _shorten(version: str) -> str:
    """`PostgreSQL 17.2`, of a line that names the compiler, too."""
    return " ".join(version.split()[:2])


def _explain_database(error: DatabaseError) -> tuple[str, str]:
    text = " ".join(str(error).split())[:300]
    message = fill_in("The database does not answer: {error}", error=text)
    lowered = text.lower()
    if "password authentication failed" in lowered:
        return message, fill_in(
            "POSTGRES_PASSWORD is another one than the database was made with, which keeps its first one:"
            " put "
            "that back into .env, or change it in the database (ALTER ROLE gateway PASSWORD …)."
        )
    if "resolve" in lowered or "name or service not known" in lowered:
        return message, fill_in(
            "The host in DATABASE_URL has no address here: compare it with the compose file."
        )
    return message, fill_in(
        "Look at its log (docker compose logs postgres) and at DATABASE_URL. A disk that is full stops "
        "it, too."
    )


def check_migrations(place: VantagePoint) -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    known = set(executor.loader.disk_migrations)
    newer = sorted(set(executor.loader.applied_migrations) - known)
    if waiting:
        names = [f"{migration.app_label}.{migration.name}" for migration, _back in waiting]
        yield Finding(
            "migrations",
            FindingKind.PROBLEM,
            fill_in(
                "{count} migrations are not applied: {names}.",
                count=len(names),
                names=", ".join(names[:NAMED_MIGRATIONS]) + (" …" if len(names) > NAMED_MIGRATIONS else ""),
            ),
            fill_in("Run manage.py migrate (docker compose run --rm migrate)."),
            {"waiting": names},
        )
    elif newer:
        names = [".".join(each) for each in newer]
        yield Finding(
            "migrations",
            FindingKind.NOTE,
            fill_in(
                "The database knows migrations that this version does not: {names}.", names=", ".join(names)
            ),
            fill_in(
                "A newer version was here before. It works while that version allows it; see "
                "docs/upgrading.md."
            ),
            {"newer": names},
        )
    else:
        yield Finding("migrations", FindingKind.OK, fill_in("Every migration is applied."))


def check_redis(place: VantagePoint) -> Iterator[Finding]:
    if not place.config.redis_url:
        yield Finding(
            "redis", FindingKind.OK, fill_in("REDIS_URL is not set: limits are kept in the one web process.")
        )
        return
    client = _connect(place)
    try:
        started = time.perf_counter()
        client.set("gateway-probe", "1", ex=5)
        latency_ms = _ms_since(started)
        version = str(client.info("server")["redis_version"])
        memory = client.info("memory")
    except RedisError as exc:
        yield Finding("redis", FindingKind.PROBLEM, *_explain_redis(exc))
        return
    finally:
        client.close()
    facts = {
        "version": version,
        "latency_ms": latency_ms,
        "used_bytes": int(memory["used_memory"]),
        "max_bytes": int(memory.get("maxmemory", 0)),
    }
    message = fill_in("Redis {version} answers in {ms} ms.", version=version, ms=latency_ms)
    verdict = FindingKind.NOTE if latency_ms > SLOW_MS else FindingKind.OK
    advice = fill_in("That is slow: look at the load of its machine, and whether it swaps.")
    yield Finding("redis", verdict, message, advice if verdict is FindingKind.NOTE else "", facts)


def _explain_redis(error: RedisError) -> tuple[str, str]:
    message = fill_in("Redis does not answer: {error}", error=" ".join(str(error).split())[:300])
    if isinstance(error, AuthenticationError) or "NOAUTH" in str(error):
        return message, fill_in("Put its password into REDIS_URL: redis://:password@host:6379/0")
    if "OOM" in str(error):
        return message, fill_in(
            "Redis has no memory left for a write: raise maxmemory, or give it one of its own."
        )
    return message, fill_in(
        "Look at its log (docker compose logs redis) and at REDIS_URL. LIMITS_WITHOUT_REDIS=allow answers"
        " chats "
        "without it."
    )


def check_clock(place: VantagePoint) -> Iterator[Finding]:
    """Leases, tokens and limits compare times that different machines wrote."""
    drifts: dict[str, float] = {}
    if is_postgresql():
        with connection.cursor() as cursor:
            before = time.time()
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
            drifts["database"] = float(cursor.fetchone()[0]) - (before + time.time()) / 2
    if place.config.redis_url:
        client = _connect(place)
        try:
            before = time.time()
            whole, micros = client.time()
            drifts["redis"] = whole + micros / 1e6 - (before + time.time()) / 2
        except RedisError:
            pass  # said by the check of Redis
        finally:
            client.close()
    facts = {f"{name}_drift_s": round(drift, 3) for name, drift in drifts.items()}
    worst = max(drifts, key=lambda name: abs(drifts[name]), default=None)
    if worst is None:
        yield Finding(
            "clock", FindingKind.OK, fill_in("There is one clock: everything runs on this machine.")
        )
    elif abs(drifts[worst]) > LARGEST_DRIFT_S:
        yield Finding(
            "clock",
            FindingKind.PROBLEM,
            fill_in(
                "This clock and that of {store} are {seconds} s apart.",
                store=worst,
                seconds=f"{abs(drifts[worst]):.1f}",
            ),
            fill_in("Let both machines keep their time by NTP (timedatectl set-ntp true)."),
            facts,
        )
    else:
        yield Finding(
            "clock", FindingKind.OK, fill_in("The clocks of the stores agree with this one."), facts=facts
        )


def _connect(place: VantagePoint) -> Redis:
    return Redis.from_url(
        place.config.redis_url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
    )


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
