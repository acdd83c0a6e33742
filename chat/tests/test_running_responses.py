"""Stored responses while they are generated: cancelled from elsewhere, left by their client, asked for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from chat.tests.stepping_engine import SteppingEngine, start_stepping_engine
from chat.tests.streams import error_of
from chat.tests.typed_events import EventReader, response_events
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until

RESPONSES = "/v1/responses"
BEGUN, REST = response_events("Hel", "lo")[:5], response_events("Hel", "lo")[5:]
"""A response up to the middle of its text, and what comes then."""


@pytest.fixture(scope="module")
def engine() -> Iterator[SteppingEngine]:
    with start_stepping_engine() as running:
        yield running


@pytest.fixture(scope="module")
def process(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, engine: SteppingEngine
) -> Iterator[GatewayProcess]:
    settings = {"CHECKPOINT_INTERVAL": "0.1"}
    with start_gateway(stores, tmp_path_factory.mktemp("running"), engine.url, **settings) as running:
        yield running


@pytest.fixture
def client(process: GatewayProcess) -> Iterator[httpx.Client]:
    with process.client() as session:
        yield session


def ask(client: httpx.Client) -> Any:
    return client.stream("POST", RESPONSES, json={"model": "scripted", "input": "Hello", "stream": True})


def say(engine: SteppingEngine, *events: bytes) -> None:
    for event in events:
        engine.pieces.put(event)


def test_response_is_cancelled_from_elsewhere_and_does_not_look_complete(
    client: httpx.Client, engine: SteppingEngine
) -> None:
    say(engine, *BEGUN)
    with ask(client) as stream:
        reader = EventReader(stream)
        path = f"{RESPONSES}/{reader.read_until('response.created')['response']['id']}"
        reader.read_until("response.output_text.delta")
        running = client.get(path).json()

        cancelled = client.post(f"{path}/cancel").json()

        last = reader.next_event()
        assert reader.next_event() is None
    engine.end()
    assert (running["status"], cancelled["status"]) == ("in_progress", "cancelled")
    assert last is not None
    assert last["type"] == "response.incomplete"
    assert last["response"] == client.get(path).json()
    assert last["response"]["status"] == "cancelled"
    assert last["response"]["output"][0]["content"][0]["text"] == "Hel"
    assert client.post(f"{path}/cancel").json() == last["response"]


def test_response_that_its_client_left_is_stored_as_cancelled(
    client: httpx.Client, process: GatewayProcess, engine: SteppingEngine
) -> None:
    say(engine, *BEGUN)
    with process.client() as leaving, ask(leaving) as stream:
        reader = EventReader(stream)
        path = f"{RESPONSES}/{reader.read_until('response.created')['response']['id']}"
        reader.read_until("response.output_text.delta")

    stored = wait_until(
        lambda: (found := client.get(path).json())["status"] != "in_progress" and found,
        what="the response to be closed",
    )

    engine.end()
    assert stored["status"] == "cancelled"
    assert stored["output"][0]["content"][0]["text"] == "Hel"


def test_response_that_is_deleted_while_it_is_generated_ends(
    client: httpx.Client, engine: SteppingEngine
) -> None:
    say(engine, *BEGUN)
    with ask(client) as stream:
        reader = EventReader(stream)
        path = f"{RESPONSES}/{reader.read_until('response.created')['response']['id']}"

        client.delete(path)

        assert reader.read_until("response.incomplete")["response"]["status"] == "cancelled"
    engine.end()
    assert client.get(path).status_code == 404


def test_response_goes_on_with_one_that_is_over_only(client: httpx.Client, engine: SteppingEngine) -> None:
    say(engine, *BEGUN)
    with ask(client) as stream, ThreadPoolExecutor(1) as pool:
        reader = EventReader(stream)
        previous = reader.read_until("response.created")["response"]["id"]
        body = {"model": "scripted", "input": "And?", "previous_response_id": previous}

        early = pool.submit(client.post, RESPONSES, json=body).result()

        engine.end(*REST)
        assert reader.read_until("response.completed")["response"]["id"] == previous
    assert (early.status_code, error_of(early)["code"]) == (409, "conversation_busy")
