"""Windows of the week as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.wording import FilledText, Translatable, fill_in, fill_text, join_texts
from modelops.models import ScheduleWindow

DAY_CODES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_NAMES: Mapping[int, Translatable] = {
    0: "Mon",
    1: "Tue",
    2: "Wed",
    3: "Thu",
    4: "Fri",
    5: "Sat",
    6: "Sun",
}
LEAST_IN_A_ROW = 3


def name_day(day: int) -> FilledText:
    return fill_text(DAY_NAMES[day], {})


def describe_days(days: Sequence[int]) -> str:
    """Days in a row by the first and the last one."""
    if set(days) == set(range(7)):
        return fill_in("every day")
    first, last = min(days), max(days)
    if last - first + 1 == len(days) >= LEAST_IN_A_ROW:
        return fill_in("{first}–{last}", first=name_day(first), last=name_day(last))
    return join_texts(", ", [name_day(day) for day in sorted(days)])


def describe_times(window: ScheduleWindow) -> str:
    return fill_in(
        "{begins}–{ends} {zone}",
        begins=f"{window.begins:%H:%M}",
        ends=f"{window.ends:%H:%M}",
        zone=window.time_zone,
    )
