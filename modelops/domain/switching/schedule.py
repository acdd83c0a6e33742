"""Windows of the week in which a slot serves another profile: when they are, and which comes next. Pure.

Times are what clocks on the wall show in a window's time zone, whatever the sun does: on the night of the
change a window from 22:00 to 06:00 lasts seven or nine hours. Moments are in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

LONGEST = timedelta(days=1)
COMPARED_DAYS = 371
"""A year and a few days: every change of the clocks, on every day of the week."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A part of some days of the week. One that ends when it begins, or earlier, ends on the next day."""

    id: str
    name: str
    weekdays: frozenset[int]
    """On which it begins: 0 is Monday."""
    begins: time
    ends: time
    zone: str
    """As the database of time zones has it, such as Asia/Seoul."""
    profile: str


@dataclass(frozen=True)
class Occurrence:
    """A window on one of its days."""

    window: Window
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Edge:
    """A moment at which what should serve changes. `window` is None where the usual profile comes back."""

    at: datetime
    window: Window | None

    @property
    def key(self) -> str:
        """Another one for each edge, and the same whenever it is looked at."""
        return f"{self.window.id if self.window else ''}@{self.at.isoformat()}"


def list_occurrences(window: Window, since: datetime, until: datetime) -> Iterator[Occurrence]:
    """Those that touch the time in between, in order."""
    zone = ZoneInfo(window.zone)
    day = since.astimezone(zone).date() - timedelta(days=2)
    last = until.astimezone(zone).date() + timedelta(days=1)
    while day <= last:
        if day.weekday() in window.weekdays:
            found = _place(window, day, zone)
            if found.begins_at < found.ends_at and found.ends_at > since and found.begins_at < until:
                yield found
        day += timedelta(days=1)


def list_edges(windows: Iterable[Window], since: datetime, until: datetime) -> list[Edge]:
    """What changes after `since`, up to `until`, in order. Where one window follows on another at once there
    is one edge, and that is the second one's."""
    found = sorted(
        (each for window in windows for each in list_occurrences(window, since - LONGEST, until + LONGEST)),
        key=lambda each: each.begins_at,
    )
    begins = {each.begins_at: each.window for each in found}
    edges = [Edge(at, window) for at, window in begins.items()]
    edges += [Edge(each.ends_at, None) for each in found if each.ends_at not in begins]
    return sorted((edge for edge in edges if since < edge.at <= until), key=lambda edge: edge.at)


def find_last_edge(windows: Sequence[Window], now: datetime) -> Edge | None:
    """The one that counts now; None where there was none in the last week."""
    edges = list_edges(windows, now - timedelta(days=8), now)
    return edges[-1] if edges else None


def find_next_edge(windows: Sequence[Window], now: datetime) -> Edge | None:
    edges = list_edges(windows, now, now + timedelta(days=8))
    return edges[0] if edges else None


def find_overlap(window: Window, others: Iterable[Window], now: datetime) -> Window | None:
    """The first other window that is at the same time as this one on any day of the year to come."""
    until = now + timedelta(days=COMPARED_DAYS)
    own = list(list_occurrences(window, now, until))
    for other in others:
        both = sorted((*own, *list_occurrences(other, now, until)), key=lambda each: each.begins_at)
        for one, next_one in pairwise(both):
            if next_one.begins_at < one.ends_at and one.window is not next_one.window:
                return other
    return None


def _place(window: Window, day: date, zone: ZoneInfo) -> Occurrence:
    ends_on = day if window.ends > window.begins else day + timedelta(days=1)
    return Occurrence(
        window,
        find_moment(datetime.combine(day, window.begins), zone),
        find_moment(datetime.combine(ends_on, window.ends), zone),
    )


def find_moment(shown: datetime, zone: ZoneInfo) -> datetime:
    """When the clocks of the zone show this: the first time where they do so twice, and where they skip it
    the moment at which they jump."""
    moment = shown.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == shown:
        return moment
    # PEP 495: read with the offset after the jump it is before it, with the one before the jump after it.
    low, high = shown.replace(tzinfo=zone, fold=1).astimezone(UTC), moment
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


@dataclass(frozen=True)
class ScheduleObservation:
    """What decides whether an edge is carried out. `done` is the key of the last one that was."""

    edge: Edge | None
    done: str = ""
    desired_profile: str = ""
    usual_profile: str = ""
    switched_at: datetime | None = None
    """When somebody else than the schedule asked for a switch last."""


@dataclass(frozen=True)
class ScheduleStep:
    """Put `key` on record; switch to `profile` unless that is empty; keep `usual_profile` for later."""

    key: str
    profile: str
    usual_profile: str


def next_schedule_step(seen: ScheduleObservation) -> ScheduleStep | None:
    """None while nothing is due. An edge counts once, however late it is seen, and only the last one does.

    Whoever asked for a switch since the edge knew what time it was: that holds until the next one.
    """
    window = seen.edge.window if seen.edge else None
    key = seen.edge.key if seen.edge else ""
    if key == seen.done:
        return None
    was_inside = bool(seen.done) and not seen.done.startswith("@")
    usual = seen.usual_profile if was_inside else seen.desired_profile
    target = window.profile if window else (usual if was_inside else "")
    is_void = seen.edge is not None and seen.switched_at is not None and seen.switched_at >= seen.edge.at
    return ScheduleStep(key, "" if is_void else target, usual)
