"""The batch worker's database connection: replaced when it is dead, closed when it is idle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import psycopg
import pytest
from django.db import OperationalError, connection

from gateway.batching import BatchWorker
from gateway.errors import DependencyUnavailable

DEADLINE_S = 10.0


@pytest.fixture
async def worker() -> AsyncIterator[BatchWorker]:
    running = BatchWorker("worker-under-test")
    yield running
    await running.stop()


def select_one(items: Sequence[int]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return list(items)


def backend_pids(items: Sequence[None]) -> list[int]:
    """PostgreSQL's process behind the worker's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    return [pid] * len(items)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - a server's state, which no event announces
            await asyncio.sleep(0.02)


@pytest.mark.django_db(transaction=True)
async def test_dead_connection_is_replaced_once_unnoticed(worker: BatchWorker) -> None:
    attempts: list[int] = []

    def die_on_the_second(items: Sequence[int]) -> list[int]:
        attempts.append(len(items))
        if len(attempts) == 2:
            raise OperationalError("server closed the connection unexpectedly")
        return select_one(items)

    await worker.submit(die_on_the_second, 1)

    assert await worker.submit(die_on_the_second, 2) == 2
    assert len(attempts) == 3


@pytest.mark.django_db(transaction=True)
async def test_database_that_stays_away_is_unavailable_after_two_tries(worker: BatchWorker) -> None:
    attempts: list[int] = []

    def die(items: Sequence[int]) -> list[int]:
        attempts.append(len(items))
        raise OperationalError("password=canary")

    await worker.submit(select_one, 1)
    with pytest.raises(DependencyUnavailable) as caught:
        await worker.submit(die, 2)

    assert len(attempts) == 2
    assert "canary" not in str(caught.value)


@pytest.mark.django_db(transaction=True)
async def test_connection_that_cannot_be_made_is_not_tried_twice(worker: BatchWorker) -> None:
    attempts: list[int] = []

    def refuse(items: Sequence[int]) -> list[int]:
        attempts.append(len(items))
        raise OperationalError("connection refused")

    with pytest.raises(DependencyUnavailable):
        await worker.submit(refuse, 1)

    assert len(attempts) == 1


@pytest.mark.django_db(transaction=True)
async def test_worker_goes_on_after_the_database_failed(worker: BatchWorker) -> None:
    def die(items: Sequence[int]) -> list[int]:
        raise OperationalError("gone")

    with pytest.raises(DependencyUnavailable):
        await worker.submit(die, 1)

    assert await worker.submit(select_one, 2) == 2


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
async def test_connection_that_the_server_ended_is_replaced_unnoticed(worker: BatchWorker) -> None:
    before = await worker.submit(backend_pids, None)
    await asyncio.to_thread(ask_server, "SELECT pg_terminate_backend(%s)", before)
    await until(lambda: not is_alive(before))

    after = await worker.submit(backend_pids, None)

    assert after != before


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
async def test_idle_worker_closes_its_connection(
    monkeypatch: pytest.MonkeyPatch, worker: BatchWorker
) -> None:
    monkeypatch.setattr("gateway.batching.IDLE_CLOSE_S", 0.1)
    pid = await worker.submit(backend_pids, None)

    await until(lambda: not is_alive(pid))

    assert await worker.submit(backend_pids, None) != pid


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
async def test_stopped_worker_leaves_no_connection() -> None:
    worker = BatchWorker()
    pid = await worker.submit(backend_pids, None)

    await worker.stop()

    await until(lambda: not is_alive(pid))


def is_alive(pid: int) -> bool:
    return ask_server("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", pid) == 1


def ask_server(sql: str, *parameters: object) -> object:
    """One value, over a connection that is nobody else's."""
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        dbname=settings["NAME"],
        autocommit=True,
    ) as own:
        row = own.execute(sql.encode(), parameters).fetchone()
        assert row is not None
        value: object = row[0]
        return value
