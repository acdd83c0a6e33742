"""Sums for charts of usage: of each day, and of the accounts that used most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet, Sum

from accounts.models import DailyUsage
from accounts.usage.report import UsageQuery

CHARTED = ("requests", "failed", "prompt_tokens", "completion_tokens", "cost_micros")
"""The columns of the usage that a chart's page shows. Each one takes its time in a million rows."""

SumRow = dict[str, Any]
"""What is grouped by, and `sum_requests` and so on."""


def add_up(rows: QuerySet[DailyUsage], *columns: str) -> QuerySet[Any, Any]:
    """The charted sums, grouped by these columns."""
    sums = {f"sum_{name}": Sum(name, default=0) for name in CHARTED}
    grouped: QuerySet[Any, Any] = rows.values(*columns).annotate(**sums)
    return grouped


def sum_by_day_and_user(query: UsageQuery, most: int) -> tuple[list[SumRow], list[SumRow]]:
    """The sums of each day, and of so many accounts that used most, the first one most.

    PostgreSQL reads the rows once for both, which takes two thirds of the time of two statements. Names are
    not joined: that would be done for each row before it is added up.
    """
    if connection.vendor != "postgresql":
        tokens = F("sum_prompt_tokens") + F("sum_completion_tokens")
        by_user = add_up(query.rows, "user_id").order_by(-tokens, "-sum_requests", "user_id")
        return list(add_up(query.rows, "day")), list(by_user[:most])
    sql, parameters = query.rows.values("day", "user_id", *CHARTED).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_read_once(sql), [*parameters, most])
        names = [column.name for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return _pick(found, "day"), _pick(found, "user_id")


def _read_once(rows: str) -> str:
    """`rows` is a statement of our own, with the columns that are grouped by and added up."""
    sums = ", ".join(f"SUM({name}) AS sum_{name}" for name in CHARTED)
    return (
        f"WITH used AS ({rows}), sums AS MATERIALIZED "  # noqa: S608 - names of our own columns
        f"(SELECT day, user_id, {sums} FROM used GROUP BY GROUPING SETS ((day), (user_id))) "
        "(SELECT * FROM sums WHERE day IS NOT NULL) UNION ALL "
        "(SELECT * FROM sums WHERE user_id IS NOT NULL "
        "ORDER BY sum_prompt_tokens + sum_completion_tokens DESC, sum_requests DESC, user_id LIMIT %s)"
    )


def _pick(found: Sequence[SumRow], column: str) -> list[SumRow]:
    return [row for row in found if row[column] is not None]
