"""Windows of the week in the admin: a picture of each slot's week, and a form that refuses overlaps."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from modelops.models import ScheduleWindow
from modelops.switching.slots import get_slot
from modelops.tests.switch_rows import make_ready

pytestmark = pytest.mark.django_db

PAGE = "/admin/modelops/schedulewindow/"


@pytest.fixture
def fields() -> dict[str, Any]:
    make_ready("big")
    return {
        "slot": str(get_slot().pk),
        "name": "night",
        "profile": "big",
        "weekdays": ["6"],
        "begins": "22:00",
        "ends": "06:00",
        "time_zone": "Asia/Seoul",
        "drain_policy": "",
        "drain_timeout_s": "",
        "is_active": "on",
    }


def test_a_window_is_added_and_pictured_on_both_its_days(
    admin_client: Client, fields: dict[str, Any]
) -> None:
    empty = admin_client.get(f"{PAGE}add/")
    added = admin_client.post(f"{PAGE}add/", fields)
    page = admin_client.get(PAGE).content.decode()

    assert empty.status_code == 200
    assert added.status_code == 302
    assert '<rect class="part-1" x="91.67" width="8.33" height="10">' in page
    assert '<rect class="part-1" x="0.00" width="25.00" height="10">' in page
    assert "22:00–24:00 night: big" in page
    assert "00:00–06:00 night: big" in page
    assert "What comes next" in page


def test_what_is_wrong_stands_at_its_field(admin_client: Client, fields: dict[str, Any]) -> None:
    admin_client.post(f"{PAGE}add/", fields)

    overlapping = admin_client.post(
        f"{PAGE}add/", fields | {"name": "late", "weekdays": ["0"], "begins": "05:00", "ends": "07:00"}
    )
    unchosen = admin_client.post(f"{PAGE}add/", {**fields, "name": "late", "weekdays": []})

    assert "It overlaps the window “night”." in overlapping.content.decode()
    assert unchosen.status_code == 200
    assert ScheduleWindow.objects.count() == 1
