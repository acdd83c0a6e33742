"""What clients are told when the database fails: its cause, where that tells no secret."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from django.db import OperationalError, connection
from django.db.backends.sqlite3.base import DatabaseWrapper as SqliteWrapper

from gateway.batching import BatchWorker
from gateway.database.failures import explain_failure
from gateway.error_handlers import to_gateway_error
from gateway.errors import DependencyUnavailable


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SqliteWrapper]:
    """An SQLite database whose file may not grow, as on a full disk."""
    settings = {**connection.settings_dict, "NAME": str(tmp_path / "x.sqlite3"), "OPTIONS": {}}
    wrapper = SqliteWrapper(settings, "small-disk")
    with wrapper.cursor() as cursor:
        cursor.execute("CREATE TABLE t (x)")
        cursor.execute("PRAGMA max_page_count = 2")
    yield wrapper
    wrapper.close()


def fill(wrapper: SqliteWrapper) -> None:
    with wrapper.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (zeroblob(100000))")


@pytest.mark.django_db(transaction=True)
async def test_full_disk_is_named_by_the_batch_worker(small_disk: SqliteWrapper) -> None:
    worker = BatchWorker()
    small_disk.inc_thread_sharing()

    def write(items: Sequence[int]) -> list[int]:
        fill(small_disk)
        return list(items)

    with pytest.raises(DependencyUnavailable, match="its disk is full"):
        await worker.submit(write, 1)

    await worker.stop()


@pytest.mark.django_db(transaction=True)
def test_full_disk_is_named_by_pages(small_disk: SqliteWrapper) -> None:
    with pytest.raises(OperationalError) as caught:
        fill(small_disk)

    error = to_gateway_error(caught.value)
    assert error is not None
    assert (error.status, error.message) == (503, "The database cannot write: its disk is full.")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (psycopg.errors.DiskFull, "The database cannot write: its disk is full."),
        (psycopg.errors.TooManyConnections, "The database takes no more connections."),
        (psycopg.errors.QueryCanceled, "The database took too long."),
        (psycopg.OperationalError, "The database does not answer."),
    ],
)
def test_failure_of_postgresql_is_named_without_its_words(kind: type[psycopg.Error], message: str) -> None:
    failure = OperationalError("canary")
    failure.__cause__ = kind("canary")

    assert explain_failure(failure).message == message


def test_failure_that_is_not_known_says_no_more_than_that() -> None:
    failure = OperationalError("canary")
    failure.__cause__ = sqlite3.OperationalError("canary")

    assert explain_failure(failure).message == "The database does not answer."
