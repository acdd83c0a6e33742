"""Usage for charts: each day of a range, as a whole and by the accounts or models that used most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from accounts.models import User
from accounts.usage.chart_sums import CHARTED, SumRow, add_up, sum_by_day_and_user
from accounts.usage.report import Row, UsageQuery, describe_sums

Kind = Literal["user", "model"]
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
    """What `query` is about, day by day, and by accounts or models if wanted; four queries at most."""
    match by:
        case "user":
            return _chart_users(query)
        case "model":
            return _chart_models(query)
        case _:
            return _make_chart(query, add_up(query.rows, "day"))


def _chart_users(query: UsageQuery) -> UsageChart:
    by_day, by_user = sum_by_day_and_user(query, MOST_LISTED)
    ids = [row["user_id"] for row in by_user]
    names = dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))
    drawn = add_up(query.rows.filter(user_id__in=ids[:MOST_DRAWN]), "user_id", "day")
    known = [row for row in by_user if row["user_id"] in names]
    listed = [(row["user_id"], names[row["user_id"]], describe_sums(row)) for row in known]
    return _make_chart(query, by_day, listed, _group(drawn, "user_id"))


def _chart_models(query: UsageQuery) -> UsageChart:
    """There are few models: one query has all sums of each day, which are added up here."""
    by_model = _group(add_up(query.rows, "model", "day"), "model")
    by_day = _group((row for rows in by_model.values() for row in rows), "day")
    sums = [(model, model, describe_sums(_add(rows))) for model, rows in by_model.items()]
    sums.sort(key=lambda each: (-each[2]["total_tokens"], -each[2]["requests"], each[0]))
    whole = [_add(rows) | {"day": day} for day, rows in by_day.items()]
    return _make_chart(query, whole, sums[:MOST_LISTED], by_model)


def _make_chart(
    query: UsageQuery,
    by_day: Iterable[SumRow],
    listed: Sequence[tuple[Any, str, Row]] = (),
    days_of: Mapping[Any, Iterable[SumRow]] | None = None,
) -> UsageChart:
    """`days_of` has the sums of each day for those of the list that are drawn."""
    days, rows = _list_days(query.first_day, query.last_day), list(by_day)
    everything = ChartLine(None, "", _align(rows, days))
    known = days_of or {}
    lines = [ChartLine(key, name, _align(known.get(key, ()), days)) for key, name, _ in listed[:MOST_DRAWN]]
    if len(listed) > MOST_DRAWN:
        lines.append(_subtract(everything, lines))
    return UsageChart(days, everything, tuple(lines), tuple(listed), describe_sums(_add(rows)))


def _group(rows: Iterable[SumRow], column: str) -> dict[Any, list[SumRow]]:
    groups: dict[Any, list[SumRow]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups


def _add(rows: Sequence[SumRow]) -> SumRow:
    return {f"sum_{name}": sum(row[f"sum_{name}"] for row in rows) for name in CHARTED}


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
