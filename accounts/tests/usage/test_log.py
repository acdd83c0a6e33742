"""Usage is summed in memory and added to the rows of the day."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import TypeVar

import pytest
from django.db import OperationalError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import CaptureQueriesContext

from accounts.models import NO_KEY, DailyUsage, User
from accounts.usage import log
from accounts.usage.log import SUM_COLUMNS, DayOfUse, Sums, UsageLog, add_usage, usage_of_today
from accounts.usage.spent import Spent, UseOutcome
from gateway.batching import BatchWorker

Result = TypeVar("Result")
DAY = date(2026, 11, 22)
KEY = uuid.uuid4()


@pytest.fixture
async def worker(transactional_db: None) -> AsyncIterator[BatchWorker]:
    worker = BatchWorker()
    yield worker
    await worker.stop()


@pytest.fixture
def mina(db: None) -> User:
    return User.objects.create(username="mina")


async def in_thread(read: Callable[[], Result]) -> Result:
    """From a connection of its own, which is closed after it."""

    def call() -> Result:
        try:
            return read()
        finally:
            connections.close_all()

    return await asyncio.to_thread(call)


async def test_everything_about_an_answer_is_added_up(worker: BatchWorker, mina: User) -> None:
    usage = UsageLog()
    answer = Spent(10, 5, False, "m", "/api/chat", UseOutcome.COMPLETE, 1000, 100, 7.5)
    cut = Spent(2, 1, True, "m", "/api/chat", UseOutcome.CANCELLED, None, 50, 1.5)
    failed = Spent(0, 0, False, "m", "/api/chat", UseOutcome.FAILED)

    usage.note(mina.pk, None, answer)
    usage.note(mina.pk, None, cut)
    await usage.flush(worker)
    usage.note(mina.pk, None, failed)
    usage.note(mina.pk, None, answer)
    await usage.flush(worker)
    await usage.flush(worker)

    row = await in_thread(lambda: DailyUsage.objects.get(user=mina))
    assert (row.model, row.key_id, row.endpoint) == ("m", NO_KEY, "/api/chat")
    assert {name: getattr(row, name) for name in SUM_COLUMNS} == {
        "requests": 4,
        "failed": 1,
        "cancelled": 1,
        "prompt_tokens": 22,
        "completion_tokens": 11,
        "estimated_tokens": 3,
        "latency_ms": 2000,
        "latency_count": 2,
        "ttft_ms": 250,
        "ttft_count": 3,
        "cost_micros": 17,  # 9.0 in the first flush, and 7.5 in the second, rounded to the even
    }


async def test_models_keys_and_endpoints_have_rows_of_their_own(worker: BatchWorker, mina: User) -> None:
    usage = UsageLog()
    usage.note(mina.pk, None, Spent(1, model="a", endpoint="/api/chat"))
    usage.note(mina.pk, KEY, Spent(2, model="a", endpoint="/api/chat"))
    usage.note(mina.pk, KEY, Spent(3, model="b", endpoint="/api/chat"))
    usage.note(mina.pk, KEY, Spent(4, model="b", endpoint="title"))

    await usage.flush(worker)

    read = DailyUsage.objects.order_by("prompt_tokens").values_list("model", "key_id", "endpoint")
    assert await in_thread(lambda: list(read)) == [
        ("a", NO_KEY, "/api/chat"),
        ("a", KEY, "/api/chat"),
        ("b", KEY, "/api/chat"),
        ("b", KEY, "title"),
    ]
    today = await in_thread(lambda: usage_of_today(mina))
    assert (today.requests, today.prompt_tokens) == (4, 10)


async def test_what_cannot_be_written_is_written_later(
    worker: BatchWorker, mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = UsageLog()
    usage.note(mina.pk, None, Spent(1, 2, model="m"))

    def fail(items: object) -> list[None]:
        raise OperationalError("no database")

    monkeypatch.setattr(log, "add_usage", fail)
    await usage.flush(worker)
    usage.note(mina.pk, None, Spent(10, 20, model="m"))
    monkeypatch.undo()
    await usage.flush(worker)

    row = await in_thread(lambda: DailyUsage.objects.get(user=mina))
    assert (row.requests, row.prompt_tokens, row.completion_tokens) == (2, 11, 22)


def test_use_of_an_account_that_is_gone_is_forgotten(mina: User) -> None:
    gone = DayOfUse(uuid.uuid4(), DAY, Sums(1))

    add_usage([gone, DayOfUse(mina.pk, DAY, Sums(2)), DayOfUse(mina.pk, DAY, Sums(3))])

    assert list(DailyUsage.objects.values_list("user", "requests")) == [(mina.pk, 5)]


def test_many_rows_take_no_more_queries_than_one(mina: User) -> None:
    counts = []
    for models in (1, 20):
        items = [DayOfUse(mina.pk, DAY, Sums(1), f"m{number}") for number in range(models)]
        with CaptureQueriesContext(connection) as queries:
            add_usage(items)
        counts.append(len([query for query in queries if query["sql"].lstrip().startswith("SELECT")]))

    assert counts == [1, 1]
    assert DailyUsage.objects.count() == 20


@pytest.mark.django_db(transaction=True)
def test_rows_from_before_models_were_counted_are_kept() -> None:
    before, now = [("accounts", "0011_fill_compared_names")], [("accounts", "0012_usage_by_model")]
    user = User.objects.create(username="mina")
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()  # of all apps: some stand on what goes back
    old = executor.migrate(before).apps
    try:
        old.get_model("accounts", "DailyUsage").objects.create(user_id=user.pk, day=DAY, requests=3)
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(now)
        MigrationExecutor(connection).migrate(latest)

    add_usage([DayOfUse(user.pk, DAY, Sums(1)), DayOfUse(user.pk, DAY, Sums(1), "m")])

    rows = DailyUsage.objects.order_by("model").values_list("model", "requests")
    assert list(rows) == [("", 4), ("m", 1)]
