"""`manage.py schedule`: windows are listed, added, tried and removed."""

from __future__ import annotations

import pytest

from accounts.models import AuditEvent
from modelops.models import ScheduleWindow
from modelops.tests.management.command_runs import run
from modelops.tests.switch_rows import make_ready

pytestmark = pytest.mark.django_db
NIGHT = ("night", "--profile", "big", "--from", "22:00", "--to", "06:00", "--zone", "Asia/Seoul")


def test_a_window_is_added_listed_and_removed_on_record() -> None:
    make_ready("big")

    added = run("schedule", "add", *NIGHT, "--days", "fri-mon")
    listed = run("schedule", "list")
    removed = run("schedule", "remove", "night")

    assert added == listed == (0, "default  night: Mon, Fri, Sat, Sun 22:00–06:00 Asia/Seoul → big\n", "")
    assert removed[:2] == (0, "night is removed.\n")
    assert not ScheduleWindow.objects.exists()
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["schedulewindow_created", "schedulewindow_deleted"]


def test_a_dry_run_prints_a_week_and_keeps_nothing() -> None:
    make_ready("big")

    code, output, _errors = run("schedule", "add", *NIGHT, "--dry-run")

    assert code == 0
    lines = output.splitlines()
    assert len(lines) == 14
    assert sum("22:00 Asia/Seoul  → big  (night)" in line for line in lines) == 7
    assert sum("06:00 Asia/Seoul  → nothing" in line for line in lines) == 7
    assert not ScheduleWindow.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", *NIGHT[:-1], "Asia/Soul"), "There is no time zone 'Asia/Soul'"),
        (("add", "x", *NIGHT[1:2], "bgi", *NIGHT[3:]), "There is no enabled profile 'bgi'"),
        (("add", "early", *NIGHT[1:]), "It overlaps the window “night”"),
        (("remove", "nigth"), "The slot 'default' has no window 'nigth'; it has: night."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_changed(arguments: tuple[str, ...], words: str) -> None:
    make_ready("big")
    run("schedule", "add", *NIGHT)

    code, _output, errors = run("schedule", *arguments)

    assert code == 2
    assert words in errors
    assert ScheduleWindow.objects.count() == 1
