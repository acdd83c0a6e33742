"""`/api/models/schedule`: everybody reads the windows, admins write them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from modelops.models import ScheduleWindow
from modelops.switching.slots import get_slot
from modelops.tests.callers import post
from modelops.tests.switch_rows import make_ready

pytestmark = pytest.mark.django_db

SCHEDULE = "/api/models/schedule"
NIGHT: dict[str, Any] = {
    "name": "night",
    "weekdays": [0, 1, 2, 3, 4],
    "begins": "22:00",
    "ends": "06:00",
    "time_zone": "Asia/Seoul",
    "profile": "big",
}


@pytest.fixture
def window_path(admin: Client) -> str:
    make_ready("big")
    get_slot()
    added = post(admin, SCHEDULE, NIGHT)
    assert added.status_code == 201
    return f"{SCHEDULE}/{added.json()['id']}"


def test_users_read_the_windows_and_what_comes_next(user: Client, window_path: str) -> None:
    content = user.get(SCHEDULE).json()

    [window] = content["windows"]
    assert {name: window[name] for name in NIGHT} == NIGHT
    assert window["slot"] == "default"
    assert len(content["coming"]) in (9, 10, 11)
    assert {each["profile"] for each in content["coming"]} == {"big", None}


def test_only_admins_write_them(user: Client, admin: Client, window_path: str) -> None:
    refused = [
        post(user, SCHEDULE, NIGHT).status_code,
        user.patch(window_path, {"ends": "07:00"}, content_type="application/json").status_code,
        user.delete(window_path).status_code,
        Client().get(SCHEDULE).status_code,
    ]

    changed = admin.patch(window_path, {"ends": "07:00"}, content_type="application/json")
    removed = admin.delete(window_path)
    gone = admin.delete(window_path)

    assert refused == [403, 403, 403, 401]
    assert (changed.status_code, changed.json()["ends"], changed.json()["begins"]) == (200, "07:00", "22:00")
    assert (removed.status_code, gone.status_code) == (204, 404)


@pytest.mark.parametrize(
    ("changes", "param", "words"),
    [
        ({"name": "late"}, "begins", "It overlaps the window “night”"),
        ({"name": "night", "begins": "07:00", "ends": "08:00"}, None, "Another window of this slot"),
        ({"weekdays": []}, "weekdays", "Choose at least one day"),
        ({"weekdays": [7]}, "weekdays", "6"),
        ({"time_zone": "Mars/Base"}, "time_zone", "There is no time zone"),
        ({"profile": "nothing"}, "profile", "There is no enabled profile"),
        ({"slot": "none"}, "slot", "There is no slot"),
        ({"color": "red"}, "color", "Unknown field"),
    ],
)
def test_what_is_wrong_is_named(
    admin: Client, window_path: str, changes: dict[str, Any], param: str | None, words: str
) -> None:
    refused = post(admin, SCHEDULE, NIGHT | changes)

    error = refused.json()["error"]
    assert refused.status_code in (400, 404)
    assert words in error["message"]
    assert param is None or param in error["param"]
    assert ScheduleWindow.objects.count() == 1
