"""Usage for charts: each day of a range, as a whole and by the accounts or models that used most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from django.db.models import F, Q

from accounts.usage.report import Row, UsageQuery, describe_sums, sum_columns

Kind = Literal["user", "model"]
NAMED = {"user": ("user_id", "user__username"), "model": ("model", "model")}
"""For each kind the column of what is named, and of its name."""
MOST_DRAWN = 4
"""More lines than that, nobody tells apart."""
MOST_LISTED = 50


@dataclass(frozen=True)
class DayOfChart:
    """One day of one line."""

    requests: int
    tokens: int


@dataclass(frozen=True)
class ChartLine:
    """What one account or model used, or everything: a value for each day."""

    key: Any
    """The id of the account, or the name of the model; None for everything and for what is left."""
    name: str
    days: tuple[DayOfChart, ...]


@dataclass(frozen=True)
class UsageChart:
    """A range of days, oldest first, without holes."""

    days: tuple[date, ...]
    everything: ChartLine
    lines: tuple[ChartLine, ...]
    """Of those that used most; the last one, without a key, is what the others used together."""
    listed: tuple[tuple[Any, str, Row], ...]
    """Key, name and sums of the many that used most, the first one most."""
    totals: Row


def load_chart(query: UsageQuery, by: Kind | None) -> UsageChart:
    """What `query` is about, day by day, and by accounts or models if wanted; three queries at most."""
    days = _list_days(query.first_day, query.last_day)
    by_day: list[Any] = list(query.rows.values("day").annotate(**sum_columns()))
    everything = ChartLine(None, "", _align(by_day, days))
    totals = describe_sums({name: sum(row[name] for row in by_day) for name in sum_columns()})
    if by is None:
        return UsageChart(days, everything, (), (), totals)
    column, name = NAMED[by]
    found = query.rows.values(column, **{"name": F(name)} if name != column else {})
    found = found.annotate(**sum_columns()).order_by(
        -(F("sum_prompt_tokens") + F("sum_completion_tokens")), "-sum_requests", column
    )
    listed = tuple(
        (row[column], str(row.get("name", row[column])), describe_sums(row)) for row in found[:MOST_LISTED]
    )
    lines = _load_lines(query, column, listed[:MOST_DRAWN], days)
    if len(listed) > MOST_DRAWN:
        lines.append(_subtract(everything, lines))
    return UsageChart(days, everything, tuple(lines), listed, totals)


def _load_lines(
    query: UsageQuery, column: str, wanted: Sequence[tuple[Any, str, Row]], days: tuple[date, ...]
) -> list[ChartLine]:
    rows = query.rows.filter(Q(**{f"{column}__in": [key for key, _name, _sums in wanted]}))
    found = list(rows.values(column, "day").annotate(**sum_columns()))
    return [
        ChartLine(key, name, _align((row for row in found if row[column] == key), days))
        for key, name, _sums in wanted
    ]


def _align(rows: Iterable[Mapping[str, Any]], days: Sequence[date]) -> tuple[DayOfChart, ...]:
    """A value for each day, zeros where there is no row."""
    sums = {row["day"]: describe_sums(row) for row in rows}
    known = {day: DayOfChart(each["requests"], each["total_tokens"]) for day, each in sums.items()}
    return tuple(known.get(day, DayOfChart(0, 0)) for day in days)


def _subtract(everything: ChartLine, lines: Sequence[ChartLine]) -> ChartLine:
    """What is left of everything."""
    rest = []
    for day, total in enumerate(everything.days):
        drawn = [line.days[day] for line in lines]
        rest.append(
            DayOfChart(
                total.requests - sum(each.requests for each in drawn),
                total.tokens - sum(each.tokens for each in drawn),
            )
        )
    return ChartLine(None, "", tuple(rest))


def _list_days(first: date, last: date) -> tuple[date, ...]:
    return tuple(first + timedelta(days=number) for number in range((last - first).days + 1))
