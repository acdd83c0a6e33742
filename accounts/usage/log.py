"""The usage per day: summed in memory, added to the rows every few seconds."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from accounts.models import MAX_MODEL_LABEL, NO_KEY, DailyUsage, User
from accounts.usage.spent import Spent, UseOutcome
from gateway.batching import BatchWorker
from gateway.errors import DependencyUnavailable

log = structlog.get_logger()

SECONDS_A_DAY = 86_400

KEY_COLUMNS = ("user", "day", "model", "key_id", "endpoint")
"""Of the columns of `DailyUsage`, those that tell its rows apart."""


@dataclass(slots=True)
class Sums:
    """The columns of `DailyUsage` that are added up."""

    requests: int = 0
    failed: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated_tokens: int = 0
    latency_ms: int = 0
    latency_count: int = 0
    ttft_ms: int = 0
    ttft_count: int = 0
    cost_micros: float = 0.0

    def count(self, spent: Spent) -> None:
        """Add one request."""
        self.requests += 1
        self.prompt_tokens += spent.prompt_tokens
        self.completion_tokens += spent.completion_tokens
        self.cost_micros += spent.cost_micros
        if spent.outcome is UseOutcome.FAILED:
            self.failed += 1
        elif spent.outcome is UseOutcome.CANCELLED:
            self.cancelled += 1
        if spent.is_estimated:
            self.estimated_tokens += spent.tokens
        if spent.latency_ms is not None:
            self.latency_ms += spent.latency_ms
            self.latency_count += 1
        if spent.ttft_ms is not None:
            self.ttft_ms += spent.ttft_ms
            self.ttft_count += 1

    def add(self, other: Sums) -> None:
        for name in SUM_COLUMNS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


SUM_COLUMNS = tuple(each.name for each in fields(Sums))


@dataclass(frozen=True, slots=True)
class DayOfUse:
    """What is added to one row."""

    user_id: uuid.UUID
    day: date
    sums: Sums
    model: str = ""
    key_id: uuid.UUID = NO_KEY
    endpoint: str = ""

    @property
    def values(self) -> tuple[Any, ...]:
        """In the order of the columns."""
        own = (self.user_id, self.day, self.model, self.key_id, self.endpoint)
        counts = (getattr(self.sums, name) for name in SUM_COLUMNS)
        return (*own, *(round(count) for count in counts))


class UsageLog:
    """Sums the usage in this process, for each user, day, model, endpoint and key.

    A process that is killed loses what it has not flushed, the last few seconds' answers.
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[uuid.UUID, int, str, str, uuid.UUID | None], Sums] = {}
        """The day as a number since 1970, which costs every request less than a date."""

    def note(self, user_id: uuid.UUID, key_id: uuid.UUID | None, spent: Spent) -> None:
        """Count one request."""
        key = (user_id, int(time.time() // SECONDS_A_DAY), spent.model, spent.endpoint, key_id)
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = Sums()
        sums.count(spent)

    async def flush(self, worker: BatchWorker) -> None:
        """Add the sums to the rows. What cannot be written is kept for the next flush."""
        noted, self._sums = self._sums, {}
        items = [
            DayOfUse(user_id, _date_of(day), sums, model[:MAX_MODEL_LABEL], key_id or NO_KEY, endpoint)
            for (user_id, day, model, endpoint, key_id), sums in noted.items()
        ]
        results = await asyncio.gather(
            *(worker.submit(add_usage, item) for item in items), return_exceptions=True
        )
        for (key, sums), result in zip(noted.items(), results, strict=True):
            if isinstance(result, DependencyUnavailable):
                newer = self._sums.setdefault(key, sums)
                if newer is not sums:
                    newer.add(sums)
            elif isinstance(result, Exception):
                log.error("usage_not_written", error=type(result).__name__)


def _date_of(day: int) -> date:
    return datetime.fromtimestamp(day * SECONDS_A_DAY, UTC).date()


def add_usage(items: Sequence[DayOfUse]) -> list[None]:
    """A handler of `gateway.batching`: one statement adds them all. Deleted accounts' usage is dropped."""
    known = set(User.objects.filter(pk__in={item.user_id for item in items}).values_list("pk", flat=True))
    # In one order in every process: rows that are locked crosswise would be a deadlock.
    rows = sorted(item.values for item in items if item.user_id in known)
    if rows:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(_upsert_sql(), [_to_parameters(row) for row in rows])
    return [None] * len(items)


def _to_parameters(values: Iterable[Any]) -> list[Any]:
    names = (*KEY_COLUMNS, *SUM_COLUMNS)
    return [
        DailyUsage._meta.get_field(name).get_db_prep_save(value, connection)  # type: ignore[union-attr]
        for name, value in zip(names, values, strict=True)
    ]


@cache
def _upsert_sql() -> str:
    """Makes the row, or adds to the one that is there. The same on SQLite and PostgreSQL."""
    quote = connection.ops.quote_name
    keys = [quote(str(DailyUsage._meta.get_field(name).column)) for name in KEY_COLUMNS]  # type: ignore[union-attr]
    sums = [quote(name) for name in SUM_COLUMNS]
    table = quote(DailyUsage._meta.db_table)
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    return (
        f"INSERT INTO {table} ({', '.join([*keys, *sums])}) "  # noqa: S608 - names of our own columns
        f"VALUES ({', '.join(['%s'] * len([*keys, *sums]))}) "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"
    )


def usage_of_today(user: User) -> DailyUsage:
    """The account's usage today, with everything, as far as it was flushed; zeros when there is none."""
    today = timezone.now().date()
    sums = DailyUsage.objects.filter(user=user, day=today).aggregate(
        **{name: Sum(name, default=0) for name in SUM_COLUMNS}
    )
    return DailyUsage(user=user, day=today, **sums)
