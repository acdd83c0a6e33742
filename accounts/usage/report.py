"""Reads the usage: summed over a range of days by what a report is grouped by, page by page."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import GenericAlias
from typing import Any

import msgspec
from django.db.models import Q, QuerySet, Sum

from accounts.models import NO_KEY, ApiKey, DailyUsage
from accounts.usage.log import SUM_COLUMNS
from gateway.errors import InvalidRequest

COLUMNS = {"day": "day", "model": "model", "key": "key_id", "user": "user_id", "endpoint": "endpoint"}
"""By what a report may be grouped, and the column of each."""
GROUPS = tuple(COLUMNS)
MOST_DAYS = 400
MICROS = 1_000_000
DELETED_KEY = "deleted key"

Row = dict[str, Any]

_CURSOR_TYPES: Mapping[str, type] = {"day": date, "key": uuid.UUID, "user": uuid.UUID}


@dataclass(frozen=True, kw_only=True)
class UsageQuery:
    """What a report is about. `user_id` of None is everybody; both days are included, in UTC."""

    first_day: date
    last_day: date
    group_by: tuple[str, ...] = ("day",)
    user_id: uuid.UUID | None = None
    model: str | None = None
    key_id: uuid.UUID | None = None

    @property
    def rows(self) -> QuerySet[DailyUsage]:
        rows = DailyUsage.objects.filter(day__range=(self.first_day, self.last_day)).order_by()
        if self.user_id is not None:
            rows = rows.filter(user_id=self.user_id)
        if self.model is not None:
            rows = rows.filter(model=self.model)
        if self.key_id is not None:
            rows = rows.filter(key_id=self.key_id)
        return rows


@dataclass(frozen=True)
class UsagePage:
    rows: list[Row]
    next: str | None
    """The `after` of the page that follows; None at the end."""


def load_page(query: UsageQuery, *, limit: int, after: str | None = None) -> UsagePage:
    """A page of the report, in the order of its groups; two queries at most. Raises InvalidRequest."""
    columns = [COLUMNS[group] for group in query.group_by]
    rows = query.rows
    if after is not None:
        rows = rows.filter(_follows(columns, _read_cursor(after, query.group_by)))
    names = ["user__username"] if "user" in query.group_by else []
    found = list(rows.values(*columns, *names).annotate(**sum_columns()).order_by(*columns)[: limit + 1])
    page = found[:limit]
    key_names = _name_keys(page) if "key" in query.group_by else {}
    more = len(found) > limit
    return UsagePage(
        [_describe_group(row, query.group_by, key_names) | describe_sums(row) for row in page],
        _make_cursor([page[-1][column] for column in columns]) if more else None,
    )


def load_totals(query: UsageQuery) -> Row:
    """The sums over the whole report, in one query."""
    return describe_sums(query.rows.aggregate(**sum_columns()))


def list_columns(group_by: Sequence[str]) -> list[str]:
    """The names of a row's values, in their order."""
    group: Row = dict.fromkeys(COLUMNS.values(), NO_KEY) | {"user__username": "", "day": None}
    return [*_describe_group(group, group_by, {}), *describe_sums({})]


def sum_columns() -> dict[str, Sum]:
    return {f"sum_{name}": Sum(name, default=0) for name in SUM_COLUMNS}


def describe_sums(row: Mapping[str, Any]) -> Row:
    sums = {name: int(row.get(f"sum_{name}", 0)) for name in SUM_COLUMNS}
    return {
        "requests": sums["requests"],
        "failed": sums["failed"],
        "cancelled": sums["cancelled"],
        "prompt_tokens": sums["prompt_tokens"],
        "completion_tokens": sums["completion_tokens"],
        "total_tokens": sums["prompt_tokens"] + sums["completion_tokens"],
        "estimated_tokens": sums["estimated_tokens"],
        "mean_latency_ms": _mean(sums["latency_ms"], sums["latency_count"]),
        "mean_ttft_ms": _mean(sums["ttft_ms"], sums["ttft_count"]),
        "cost": sums["cost_micros"] / MICROS,
    }


def _mean(total: int, count: int) -> int | None:
    return round(total / count) if count else None


def _describe_group(row: Row, group_by: Sequence[str], key_names: Mapping[uuid.UUID, str]) -> Row:
    described: Row = {}
    for group in group_by:
        match group:
            case "key":
                key_id = None if row["key_id"] == NO_KEY else row["key_id"]
                described["key_id"] = key_id
                described["key_name"] = key_names.get(key_id, DELETED_KEY) if key_id else ""
            case "user":
                described |= {"user_id": row["user_id"], "username": row["user__username"]}
            case _:
                described[group] = row[COLUMNS[group]]
    return described


def _name_keys(rows: Sequence[Row]) -> dict[uuid.UUID, str]:
    ids = {row["key_id"] for row in rows} - {NO_KEY}
    return {key.pk: str(key) for key in ApiKey.objects.filter(pk__in=ids)} if ids else {}


def _follows(columns: Sequence[str], values: Sequence[Any]) -> Q:
    """What comes after these values in the order of the columns."""
    condition, same = Q(), Q()
    for column, value in zip(columns, values, strict=True):
        condition |= same & Q(**{f"{column}__gt": value})
        same &= Q(**{column: value})
    return condition


def _make_cursor(values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode()


def _read_cursor(cursor: str, group_by: Sequence[str]) -> Sequence[Any]:
    expected = GenericAlias(tuple, tuple(_CURSOR_TYPES.get(group, str) for group in group_by))
    try:
        values: tuple[Any, ...] = msgspec.json.decode(
            base64.b64decode(cursor, altchars=b"-_", validate=True), type=expected
        )
    except (binascii.Error, msgspec.DecodeError, ValueError) as exc:
        raise InvalidRequest("That is no cursor of such a report.", param="after") from exc
    if any(isinstance(value, str) and "\0" in value for value in values):
        raise InvalidRequest("That is no cursor of such a report.", param="after")
    return values
