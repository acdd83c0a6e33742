"""GET /api/models/events: what subscribers are told, and how a stream ends."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from chat.model_events import QUEUE_SIZE, Subscription
from chat.tests.streams import error_of
from chat.tests.switching import FakeSwitcher, database_of
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway
from modelops.domain.switching.states import SwitchState
from modelops.models import Switch, SwitchEvent
from modelops.switching.events import PAGE_SIZE, SwitchEventView
from modelops.tests.serving.slot_rows import make_switch, move_switch

PATH = "/api/models/events"
SECRET = {"percent": 40, "evidence": "OSError: /srv/secret/weights", "actor": "kim"}


@dataclass
class Event:
    id: int
    name: str
    data: dict[str, Any]


def read_events(lines: Iterator[str]) -> Iterator[Event]:
    """The events of a stream, without pings."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}


@pytest.fixture(scope="module")
def web(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with start_gateway(
        stores, tmp_path_factory.mktemp("events"), "", PING_INTERVAL="0.1", SHUTDOWN_TIMEOUT="60"
    ) as gateway:
        yield gateway


@pytest.fixture
def switch(web: GatewayProcess, simulator: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Switch]:
    with database_of(web, django_db_blocker):
        switcher = FakeSwitcher.open(web, simulator, simulator)
        yield make_switch(switcher.slot, switcher.a, "b", SwitchState.LOADING)


def tell(switch: Switch, message: str, **data: Any) -> int:
    """A row, as the switcher appends it."""
    row = SwitchEvent.objects.create(
        switch=switch, kind=SwitchEvent.Kind.PROGRESS, state=switch.state, message=message, data=data
    )
    return int(row.pk)


@contextmanager
def listening(web: GatewayProcess, username: str = "demo", **options: Any) -> Iterator[Iterator[Event]]:
    with web.client(username) as client, client.stream("GET", PATH, **options) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield read_events(response.iter_lines())


def status_by_rest(web: GatewayProcess) -> dict[str, Any]:
    """What GET /api/models/status tells of the slots."""
    with web.client() as client:
        status: dict[str, Any] = client.get("/api/models/status").json()
    return {name: value for name, value in status.items() if name not in ("hardware", "switcher")}


def since(event_id: int, **params: str) -> dict[str, Any]:
    return {"headers": {"Last-Event-ID": str(event_id)}, "params": params}


def test_a_new_subscriber_gets_the_present_state_then_what_happens(
    web: GatewayProcess, switch: Switch
) -> None:
    before = tell(switch, "long ago")

    with listening(web) as events:
        status = next(events)
        told_by_rest = status_by_rest(web)
        told = tell(switch, "now", percent=50)
        event = next(events)

    assert (status.name, status.id) == ("status", before)
    slot = status.data["slots"][0]
    assert (status.data["state"], status.data["current_profile"]) == ("switching", "a")
    assert (slot["slot"], slot["current_profile"], slot["switch"]["to_profile"]) == ("default", "a", "b")
    assert status.data == told_by_rest
    assert (event.id, event.name) == (told, "progress")
    assert event.data["switch"] == str(switch.pk)
    assert (event.data["slot"], event.data["kind"], event.data["state"]) == ("default", "progress", "loading")
    assert event.data["data"] == {"percent": 50}


def test_a_subscriber_that_comes_back_gets_all_it_missed_once_and_goes_on(
    web: GatewayProcess, switch: Switch
) -> None:
    first = tell(switch, "seen")
    # More than one page, so that pages are joined too.
    missed = [tell(switch, f"missed {number}") for number in range(PAGE_SIZE + 3)]

    with listening(web, **since(first)) as events:
        replayed = [next(events).id for _ in missed]
        live = tell(switch, "live")
        following = next(events).id

    assert (replayed, following) == (missed, live)


def test_one_switch_can_be_followed_alone(web: GatewayProcess, switch: Switch) -> None:
    start = tell(switch, "of another")
    move_switch(switch, SwitchState.ACTIVE)
    mine = make_switch(switch.slot, None, "c")
    missed = tell(mine, "missed")
    tell(switch, "of another")

    with listening(web, **since(start, switch=str(mine.pk))) as events:
        first = next(events).id
        tell(switch, "of another")
        live = tell(mine, "live")
        second = next(events).id

    assert (first, second) == (missed, live)


@pytest.mark.parametrize(
    ("username", "message", "data"), [("admin", "it failed", SECRET), ("demo", None, {"percent": 40})]
)
def test_only_admins_see_messages_and_evidence(
    web: GatewayProcess, switch: Switch, username: str, message: str | None, data: dict[str, Any]
) -> None:
    with listening(web, username) as events:
        next(events)
        tell(switch, "it failed", **SECRET)
        event = next(events)

    assert (event.data["message"], event.data["data"]) == (message, data)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"headers": {"Last-Event-ID": "x"}}, "Last-Event-ID"),
        ({"headers": {"Last-Event-ID": "-1"}}, "Last-Event-ID"),
        ({"headers": {"Last-Event-ID": "9" * 30}}, "Last-Event-ID"),
        ({"headers": {"Last-Event-ID": ""}}, "Last-Event-ID"),
        ({"params": {"switch": "x"}}, "switch"),
        ({"params": {"colour": "red"}}, "colour"),
    ],
)
def test_what_cannot_be_followed_is_refused(web: GatewayProcess, options: dict[str, Any], param: str) -> None:
    with web.client() as client:
        refused = client.get(PATH, **options)

    assert refused.status_code == 400
    assert (error_of(refused)["code"], error_of(refused)["param"]) == ("invalid_request", param)


def test_strangers_hear_nothing(web: GatewayProcess) -> None:
    assert httpx.get(f"{web.url}{PATH}").status_code == 401


def test_a_switch_that_nobody_knows_is_followed_in_silence(web: GatewayProcess, switch: Switch) -> None:
    with listening(web, params={"switch": str(uuid.uuid4())}) as events:
        assert next(events).name == "status"


def test_streams_end_when_the_process_stops_and_do_not_hold_it_up(
    stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with start_gateway(stores, tmp_path_factory.mktemp("stopping"), "") as web, listening(web) as events:
        next(events)
        assert web.process is not None

        web.process.terminate()
        rest = list(events)
        web.process.wait(15)

        assert rest == []
        # uvicorn says so when it gives up waiting for a connection.
        assert "timeout graceful shutdown exceeded" not in web.log()


async def test_a_subscriber_that_lags_too_far_behind_is_dropped() -> None:
    subscription = Subscription()
    for number in range(QUEUE_SIZE + 5):
        subscription.put(an_event(number))

    received = 0
    while await subscription.next() is not None:
        received += 1

    assert received == QUEUE_SIZE


def an_event(number: int) -> SwitchEventView:
    return SwitchEventView(
        id=number,
        switch=uuid.uuid4(),
        slot="default",
        at=timezone.now(),
        kind="note",
        state="loading",
        message="",
        data={},
    )
