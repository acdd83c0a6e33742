"""The week of a slot as a picture: a bar for each day, with the parts that windows take of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import time

from gateway.wording import FilledText, fill_in
from modelops.models import ScheduleWindow
from modelops.switching.schedule_text import name_day

DAY_MINUTES = 24 * 60
SERIES = 4


@dataclass(frozen=True)
class DayPart:
    """A window's share of one day. `x` and `width` are hundredths of the bar."""

    x: str
    width: str
    css: str
    words: FilledText


@dataclass
class PicturedDay:
    name: FilledText
    parts: list[DayPart] = field(default_factory=list)


def picture_week(windows: Iterable[ScheduleWindow]) -> list[PicturedDay]:
    """Monday first, by the clocks of each window's own time zone."""
    days = [PicturedDay(name_day(day)) for day in range(7)]
    for number, window in enumerate(windows):
        css = f"part-{number % SERIES + 1}"
        for day in window.weekdays:
            for weekday, begin, end in _split(day, window.begins, window.ends):
                days[weekday].parts.append(_place(window, begin, end, css))
    for each in days:
        each.parts.sort(key=lambda part: float(part.x))
    return days


def _split(day: int, begins: time, ends: time) -> Sequence[tuple[int, int, int]]:
    """The parts by weekday, in minutes of it: two where it goes on after midnight."""
    begin, end = _to_minutes(begins), _to_minutes(ends)
    if begin < end:
        return [(day, begin, end)]
    late = [(day, begin, DAY_MINUTES)]
    return [*late, ((day + 1) % 7, 0, end)] if end else late


def _place(window: ScheduleWindow, begin: int, end: int, css: str) -> DayPart:
    return DayPart(
        x=f"{100 * begin / DAY_MINUTES:.2f}",
        width=f"{100 * (end - begin) / DAY_MINUTES:.2f}",
        css=css,
        words=fill_in(
            "{begin}–{end} {name}: {profile}",
            begin=_to_clock(begin),
            end=_to_clock(end),
            name=window.name,
            profile=window.profile,
        ),
    )


def _to_minutes(moment: time) -> int:
    return moment.hour * 60 + moment.minute


def _to_clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
