"""When windows of the week begin and end, also on the nights on which clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.domain.switching.schedule import (
    Edge,
    ScheduleObservation,
    ScheduleStep,
    Window,
    find_last_edge,
    find_next_edge,
    find_overlap,
    list_edges,
    next_schedule_step,
)

EVERY_DAY = frozenset(range(7))
SEOUL, BERLIN = "Asia/Seoul", "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(begins: str, ends: str, zone: str = SEOUL, **values: Any) -> Window:
    filled = {"id": "w", "name": "night", "weekdays": EVERY_DAY, "profile": "big"} | values
    return Window(
        begins=time.fromisoformat(begins),
        ends=time.fromisoformat(ends),
        zone=zone,
        **filled,
    )


def edges_of(*windows: Window, since: str, until: str) -> list[tuple[str, str]]:
    found = list_edges(windows, at(since), at(until))
    return [(f"{edge.at:%a %H:%M}", edge.window.name if edge.window else "") for edge in found]


def test_a_window_over_midnight_ends_on_the_next_day() -> None:
    night = window("22:00", "06:00", weekdays=frozenset({4}))

    found = edges_of(night, since="2026-01-05T00:00", until="2026-01-12T00:00")

    # Friday in Seoul, nine hours ahead.
    assert found == [("Fri 13:00", "night"), ("Fri 21:00", "")]


@pytest.mark.parametrize(
    ("begins", "ends", "night", "edges"),
    [
        # The clocks jump from 02:00 to 03:00: seven hours.
        ("22:00", "06:00", "2026-03-28", [("Sat 21:00", "night"), ("Sun 04:00", "")]),
        # 02:30 is skipped: the moment of the jump counts.
        ("02:30", "06:00", "2026-03-28", [("Sun 01:00", "night"), ("Sun 04:00", "")]),
        ("22:00", "02:30", "2026-03-28", [("Sat 21:00", "night"), ("Sun 01:00", "")]),
        # They go back from 03:00 to 02:00: nine hours, and 02:30 counts once, the first time.
        ("22:00", "06:00", "2026-10-24", [("Sat 20:00", "night"), ("Sun 05:00", "")]),
        ("02:30", "06:00", "2026-10-24", [("Sun 00:30", "night"), ("Sun 05:00", "")]),
    ],
)
def test_windows_follow_the_clocks_on_the_wall_on_the_nights_of_their_change(
    begins: str, ends: str, night: str, edges: list[tuple[str, str]]
) -> None:
    since, until = f"{night}T12:00", (at(f"{night}T12:00") + timedelta(days=1)).isoformat()[:16]

    assert edges_of(window(begins, ends, BERLIN), since=since, until=until) == edges


def test_a_window_that_follows_at_once_is_one_edge() -> None:
    late = window("02:00", "06:00", id="v", name="late")

    found = edges_of(window("22:00", "02:00"), late, since="2026-01-05T12:00", until="2026-01-06T06:00")

    assert found == [("Mon 13:00", "night"), ("Mon 17:00", "late"), ("Mon 21:00", "")]


@pytest.mark.parametrize(
    ("other", "overlaps"),
    [
        (window("06:00", "22:00"), False),
        (window("05:59", "06:30"), True),
        (window("21:00", "22:01"), True),
        (window("23:00", "23:30"), True),
        (window("00:00", "00:00", weekdays=frozenset({2})), True),
        (window("14:00", "20:00", "UTC"), True),
        (window("21:00", "13:00", "UTC"), False),
        # Only in winter is Berlin's afternoon Seoul's night.
        (window("14:00", "14:30", BERLIN), True),
        (window("14:00", "15:00", BERLIN, weekdays=frozenset({0})), True),
    ],
)
def test_two_windows_overlap_if_they_do_on_any_day_of_the_year(other: Window, overlaps: bool) -> None:
    night = window("22:00", "06:00")

    found = find_overlap(night, [other], at("2026-01-05T00:00"))

    assert found is (other if overlaps else None)


def test_windows_that_meet_in_the_hour_that_is_skipped_do_not_overlap() -> None:
    early, late = window("22:00", "02:30", BERLIN), window("03:00", "06:00", BERLIN)

    assert find_overlap(early, [late], at("2026-01-05T00:00")) is None


zones = st.sampled_from([SEOUL, BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe"])
windows = st.builds(
    Window,
    id=st.just("w"),
    name=st.just("night"),
    weekdays=st.frozensets(st.integers(0, 6), min_size=1),
    begins=st.times().map(lambda moment: moment.replace(second=0, microsecond=0)),
    ends=st.times().map(lambda moment: moment.replace(second=0, microsecond=0)),
    zone=zones,
    profile=st.just("big"),
)


@settings(deadline=None, max_examples=60)
@given(each=windows, now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1), timezones=st.just(UTC)))
def test_at_any_moment_the_last_edge_is_over_and_the_next_one_is_another(each: Window, now: datetime) -> None:
    last, coming = find_last_edge([each], now), find_next_edge([each], now)

    assert last is not None
    assert coming is not None
    assert last.at <= now < coming.at
    assert find_last_edge([each], coming.at) == coming


BEGUN = Edge(at("2026-01-05T13:00"), window("22:00", "06:00"))
OVER = Edge(at("2026-01-05T21:00"), None)
BEFORE, AFTER = at("2026-01-05T12:00"), at("2026-01-05T22:00")


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        (ScheduleObservation(None), None),
        (ScheduleObservation(BEGUN, "", "small"), ScheduleStep(BEGUN.key, "big", "small")),
        (ScheduleObservation(BEGUN, BEGUN.key, "big", "small"), None),
        (ScheduleObservation(OVER, BEGUN.key, "big", "small"), ScheduleStep(OVER.key, "small", "small")),
        # By hand inside of the window: that holds until it ends.
        (ScheduleObservation(BEGUN, BEGUN.key, "other", "small", AFTER), None),
        (
            ScheduleObservation(OVER, BEGUN.key, "other", "small", BEFORE),
            ScheduleStep(OVER.key, "small", "small"),
        ),
        # By hand since the edge, which nobody was there to carry out.
        (ScheduleObservation(BEGUN, "", "other", "", AFTER), ScheduleStep(BEGUN.key, "", "other")),
        # A whole window was missed.
        (ScheduleObservation(OVER, "@long ago", "small", ""), ScheduleStep(OVER.key, "", "small")),
        # The window that went on was removed.
        (ScheduleObservation(None, BEGUN.key, "big", "small"), ScheduleStep("", "small", "small")),
    ],
)
def test_an_edge_is_carried_out_once_unless_somebody_asked_for_a_switch_since(
    seen: ScheduleObservation, step: ScheduleStep | None
) -> None:
    assert next_schedule_step(seen) == step
