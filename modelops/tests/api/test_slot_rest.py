"""`/api/models/slots`: who may read, make, change and retire slots, and what they are told."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from modelops.api.slot_serializers import (
    BoxSerializer,
    SlotChangeSerializer,
    SlotListSerializer,
    SlotSerializer,
)
from modelops.models import Slot
from modelops.tests.api.test_switch_rest import names
from modelops.tests.callers import post
from modelops.tests.serving.slot_rows import flip, make_engine
from modelops.tests.switching.test_placing import FIRST, SECOND, make_box

pytestmark = pytest.mark.django_db

SLOTS = "/api/models/slots"


def patch(client: Client, path: str, content: Any) -> Any:
    return client.patch(path, content, content_type="application/json")


def test_everybody_reads_slots_and_admins_alone_their_cards_and_boxes(admin: Client, user: Client) -> None:
    make_box()
    patch(admin, f"{SLOTS}/default", {"gpus": ["0"]})

    told, reduced = admin.get(SLOTS).json(), user.get(SLOTS).json()
    one = user.get(f"{SLOTS}/default").json()

    assert set(told) == names(SlotListSerializer)
    assert set(told["slots"][0]) == set(one) == names(SlotSerializer)
    assert set(told["boxes"][0]) == names(BoxSerializer)
    assert told["slots"][0]["gpus"][0] == {
        "id": FIRST,
        "index": 0,
        "name": "RTX 3090",
        "total_bytes": 24 * 2**30,
    }
    assert (reduced["boxes"], reduced["slots"][0]["gpus"], one["box"]) == ([], None, None)
    assert Client().get(SLOTS).status_code == 401


def test_slot_is_made_changed_and_retired(admin: Client) -> None:
    make_box()
    patch(admin, f"{SLOTS}/default", {"gpus": [FIRST]})

    tried = post(admin, SLOTS, {"name": "second", "gpus": ["1"], "dry_run": True})
    made = post(admin, SLOTS, {"name": "second", "gpus": ["1"]})
    changed = patch(admin, f"{SLOTS}/second", {"runtime": "docker"})
    same = patch(admin, f"{SLOTS}/second", {"runtime": "docker"})
    retired = post(admin, f"{SLOTS}/second/retire")
    listed = [slot["name"] for slot in admin.get(SLOTS).json()["slots"]]
    history = [slot["name"] for slot in admin.get(f"{SLOTS}?retired=true").json()["slots"]]

    assert (tried.status_code, tried.json()["dry_run"]) == (200, True)
    assert made.status_code == 201
    assert set(made.json()) == names(SlotChangeSerializer)
    assert made.json()["slot"]["gpus"][0]["id"] == SECOND
    assert changed.json()["changes"] == {"runtime": ["", "docker"]}
    assert same.json()["changes"] == {}
    assert (retired.status_code, retired.json()["slot"]["state"]) == (200, "retired")
    assert listed == ["default"]
    assert history == ["default", "second"]


def test_refusals_name_the_field_and_the_other_slot(admin: Client, user: Client) -> None:
    make_box()
    post(admin, SLOTS, {"name": "bare", "has_gpus": False})
    slot = Slot.objects.get(slug="bare")
    flip(slot, make_engine(slot, "a"))

    overlap = post(admin, SLOTS, {"name": "second", "gpus": ["1"]})
    misnamed = post(admin, SLOTS, {"name": "No!"})
    unknown = post(admin, SLOTS, {"name": "second", "cards": ["1"]})
    missing = patch(admin, f"{SLOTS}/nowhere", {"runtime": ""})
    serving = post(admin, f"{SLOTS}/bare/retire")
    asked = post(admin, f"{SLOTS}/bare/retire", {"stop": True})

    assert (overlap.status_code, overlap.json()["error"]["code"]) == (409, "slot_refused")
    assert "Slot default has every card" in overlap.json()["error"]["message"]
    assert (misnamed.status_code, misnamed.json()["error"]["param"]) == (400, "name")
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (400, "cards")
    assert missing.status_code == 404
    assert serving.status_code == 409
    assert (asked.status_code, asked.json()["slot"]["state"]) == (202, "retiring")
    for refused in (
        post(user, SLOTS, {"name": "third"}),
        patch(user, f"{SLOTS}/bare", {"runtime": ""}),
        post(user, f"{SLOTS}/bare/retire"),
    ):
        assert refused.status_code == 403
