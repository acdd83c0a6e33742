"""Whether answers still run: dead web processes do not count, and those that are only silent do."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from modelops.models import Slot, WebPresence
from modelops.switcher.draining import WebProcess, WebProcessWatch, forget_dead_web_processes, is_drained

SEEN = datetime(2026, 11, 28, tzinfo=UTC)
SILENT = WebProcess(uuid.uuid4(), SEEN, True, {})
HEARD = WebProcess(uuid.uuid4(), SEEN, False, {})


def look_every_second(watch: WebProcessWatch, web: WebProcess, *, seconds: range) -> list[bool]:
    """At each of these seconds: is it dead?"""
    return [web.id in watch.find_dead([web], float(second)) for second in seconds]


def test_a_process_is_dead_once_it_said_nothing_while_somebody_listened() -> None:
    watch = WebProcessWatch()

    found = look_every_second(watch, SILENT, seconds=range(100, 107))

    assert found == [False] * 5 + [True] * 2


def test_a_process_that_speaks_lives() -> None:
    watch = WebProcessWatch()

    found = look_every_second(watch, HEARD, seconds=range(100, 200))

    assert not any(found)


def test_after_the_database_was_away_everybody_gets_time_to_speak_again() -> None:
    watch = WebProcessWatch()
    look_every_second(watch, SILENT, seconds=range(100, 104))

    found = look_every_second(watch, SILENT, seconds=range(160, 165))

    assert not any(found)


def test_a_new_word_begins_the_silence_anew() -> None:
    watch = WebProcessWatch()
    look_every_second(watch, SILENT, seconds=range(100, 104))
    later = WebProcess(SILENT.id, SEEN + timedelta(seconds=1), True, {})

    found = look_every_second(watch, later, seconds=range(104, 109))

    assert not any(found)


@pytest.fixture
def slot(db: None) -> Slot:
    return Slot.objects.create(slug="default", epoch=3)


def add_web(slot: Slot, *, silent_s: float = 0, **entry: int) -> WebPresence:
    return WebPresence.objects.create(
        host="test",
        pid=1,
        seen_at=timezone.now() - timedelta(seconds=silent_s),
        slots={str(slot.pk): {"epoch": 3, "open": 0} | entry},
    )


@pytest.mark.parametrize(
    ("entry", "drained"),
    [({}, True), ({"open": 1}, False), ({"epoch": 2}, False), ({"open": 1, "silent_s": 20}, False)],
)
def test_answers_run_where_a_process_that_may_live_has_some_or_has_not_acknowledged(
    slot: Slot, entry: dict[str, int], drained: bool
) -> None:
    add_web(slot, **entry)

    assert is_drained(slot, WebProcessWatch(), 100.0) is drained


def test_answers_of_a_dead_process_are_over(slot: Slot) -> None:
    add_web(slot, silent_s=40, open=1)
    watch = WebProcessWatch()

    found = [is_drained(slot, watch, 100.0 + second) for second in range(7)]

    assert found == [False] * 5 + [True] * 2


def test_dead_processes_are_forgotten_and_others_are_not(slot: Slot) -> None:
    add_web(slot, silent_s=40)
    living = add_web(slot, silent_s=20)
    watch = WebProcessWatch()

    for second in range(7):
        forget_dead_web_processes(watch, 100.0 + second)

    assert list(WebPresence.objects.all()) == [living]
