"""A box that is gone makes its slots unreachable, and nobody else's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from modelops.desk.box_parts import find_slot_reading
from modelops.models import Slot, SwitcherPresence
from modelops.serving import engine_probes
from modelops.serving.engine_probes import ANSWER_AGE_S, EngineProbes
from modelops.switcher.boxes import find_unreachable
from modelops.switching.boxes import get_box_choice, list_boxes
from modelops.switching.placing import SlotWish, create_slot
from modelops.switching.slots import get_slot
from modelops.tests.desk.test_reading import read
from modelops.tests.serving.slot_rows import flip, make_engine
from modelops.tests.switch_rows import SHELL
from modelops.tests.switching.test_placing import FIRST, make_box

pytestmark = pytest.mark.django_db

OTHER = "GPU-00000000-0000-0000-0000-000000000009"


@pytest.fixture(autouse=True)
def fresh_probes() -> Iterator[None]:
    engine_probes.get_engine_probes.cache_clear()
    yield
    engine_probes.get_engine_probes.cache_clear()


@pytest.fixture
def healthy_url() -> Iterator[str]:
    """Something that answers every request with 200, as an engine does its /health."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def two_boxes(healthy_url: str) -> Slot:
    """`default` on box one, `second` on box two, both serving; the engine of `second` answers."""
    make_box("one")
    make_box("two", cards=(OTHER,))
    get_slot()
    Slot.objects.update(box="docker:one", box_host="host-one")
    second = create_slot("second", SlotWish(box="host-two"), SHELL).slot
    flip(get_slot(), make_engine(get_slot(), "a", gpus=[FIRST]))
    flip(second, make_engine(second, "b", base_url=healthy_url, gpus=[OTHER]))
    return second


def silence(box: str) -> None:
    SwitcherPresence.objects.filter(box=box).update(seen_at=timezone.now() - timedelta(minutes=5))


def states(client: Client) -> dict[str, str]:
    told: dict[str, Any] = client.get("/api/models/status").json()
    return {slot["slot"]: slot["state"] for slot in told["slots"]}


def test_slots_of_a_silent_box_are_unreachable_once_their_engine_does_not_answer(
    two_boxes: Slot, admin: Client
) -> None:
    before = states(admin)
    silence("docker:two")
    still_answering = states(admin)
    two_boxes.engines.update(base_url="http://127.0.0.1:1")
    after = states(admin)
    told = next(s for s in admin.get("/api/models/status").json()["slots"] if s["slot"] == "second")

    assert before == still_answering == {"default": "ready", "second": "ready"}
    assert after == {"default": "ready", "second": "unreachable"}
    assert told["current_profile"] is None
    assert "No switcher has been heard of on host-two (docker:two)" in told["detail"]
    assert find_unreachable(list(Slot.objects.all())) == ("second",)


def test_desk_shows_each_box_with_its_cards_and_who_is_heard_of(two_boxes: Slot) -> None:
    two_boxes.engines.update(base_url="http://127.0.0.1:1")
    silence("docker:two")

    parts = read()

    assert [(box["host"], box["is_heard"], box["slots"]) for box in parts["boxes"]] == [
        ("host-one", True, ["default"]),
        ("host-two", False, ["second"]),
    ]
    assert [card["profile"] for card in parts["boxes"][0]["cards"]] == ["a", None]
    assert [alarm["code"] for alarm in parts["alarms"]] == ["box_gone"]
    assert "Slot second is unreachable." in parts["alarms"][0]["message"]


def test_verdicts_on_the_desk_are_for_the_cards_of_the_default_slot(two_boxes: Slot) -> None:
    Slot.objects.filter(slug="default").update(gpus=[FIRST])

    reading = find_slot_reading(get_slot(), list_boxes(), None)

    assert [gpu.uuid for gpu in (reading.gpus if reading else ())] == [FIRST]


def test_plan_of_a_slot_goes_by_the_cards_of_its_own_box(two_boxes: Slot) -> None:
    here, there = get_box_choice(get_slot()), get_box_choice(two_boxes)

    assert len(here.gpus or ()) == 2
    assert [max(names, key=len) for names in there.names] == [OTHER]


def test_engine_is_asked_again_behind_the_callers_back_once_its_answer_is_old() -> None:
    now, asked = [100.0], []

    def ask(url: str) -> bool:
        asked.append(url)
        return len(asked) > 1

    probes = EngineProbes(ask, clock=lambda: now[0])
    first = [probes.answers("http://x") for _ in range(3)]
    now[0] += ANSWER_AGE_S + 1
    while not probes.answers("http://x"):
        pass

    assert first == [False] * 3
    assert asked == ["http://x"] * 2
