"""GET …/messages/{id}/stream for answers that are running: what is said is passed on as it is said."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from chat.tests.returning_client import Seen, asking, come_back, following, stream_path
from chat.tests.scripted_engine import delta_event, usage_event
from chat.tests.stepping_engine import SteppingEngine, start_stepping_engine
from chat.tests.streams import error_of
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until

END = (
    delta_event(finish_reason="stop"),
    usage_event(prompt_tokens=3, completion_tokens=2, total_tokens=5),
    b"data: [DONE]\n\n",
)
FOLLOWERS = 3


@pytest.fixture(scope="module")
def engine() -> Iterator[SteppingEngine]:
    with start_stepping_engine() as running:
        yield running


@pytest.fixture(scope="module")
def process(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, engine: SteppingEngine
) -> Iterator[GatewayProcess]:
    """A gateway that saves nothing of an answer before its end."""
    settings = {
        "CHECKPOINT_INTERVAL": "3000",
        "MESSAGE_LEASE": "3600",
        "PING_INTERVAL": "0.1",
        "MAX_EVENT_STREAMS": str(FOLLOWERS),
    }
    folder = tmp_path_factory.mktemp("following")
    with start_gateway(stores, folder, engine.url, **settings) as running:
        yield running


@pytest.fixture
def client(process: GatewayProcess) -> Iterator[httpx.Client]:
    with process.client() as session:
        yield session


def row_of(client: httpx.Client, headers: httpx.Headers) -> dict[str, Any]:
    detail = client.get(f"/api/conversations/{headers['x-conversation-id']}").json()
    row: dict[str, Any] = detail["messages"][-1]
    return row


def test_follower_is_told_what_was_said_and_what_is_said(
    client: httpx.Client, engine: SteppingEngine
) -> None:
    engine.say(reasoning="생각")
    engine.say(content="하나")
    with asking(client) as first:
        left = first.read_until_it_says("하나")
        engine.say(content=" 둘")
        first.read_until_it_says("하나 둘")
        with following(client, first.headers, left) as late, following(client, first.headers) as new:
            assert late.read_until_it_says("하나 둘").reasoning == "생각"
            assert new.read_until_it_says("하나 둘").reasoning == "생각"
            engine.say(content=" 셋")
            late.read_until_it_says("하나 둘 셋")
            new.read_until_it_says("하나 둘 셋")
            assert row_of(client, first.headers)["status"] == "streaming"

            engine.end(*END)

            ends = [reader.read_to_the_end() for reader in (first, late, new)]

    assert {(seen.content, seen.reasoning, seen.finish_reason, seen.is_done) for seen in ends} == {
        ("하나 둘 셋", "생각", "stop", True)
    }
    assert all(seen.usage == ends[0].usage for seen in ends)


def test_client_that_left_and_came_back_gets_the_tool_calls(
    client: httpx.Client, engine: SteppingEngine
) -> None:
    engine.say(
        tool_calls=[{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]
    )
    engine.say(tool_calls=[{"index": 0, "function": {"arguments": '{"도시":'}}])
    with asking(client) as first:
        left = first.read_until(lambda seen: seen.calls == {0: ["a", "f", '{"도시":']})
        headers = first.headers

    engine.say(tool_calls=[{"index": 0, "function": {"arguments": ' "서울"}'}}])
    with following(client, headers, left) as back:
        back.read_until(lambda seen: seen.calls == {0: ["a", "f", '{"도시": "서울"}']})
        engine.end(*END)
        seen = back.read_to_the_end()

    assert seen.calls == {0: ["a", "f", '{"도시": "서울"}']}
    assert come_back(client, stream_path(headers), Seen()).calls == seen.calls


def test_answer_that_is_not_streamed_can_be_followed(client: httpx.Client, engine: SteppingEngine) -> None:
    conversation = client.post("/api/conversations", json={}).json()["id"]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.post, f"/api/conversations/{conversation}/messages", json={"content": "x"})
        row = wait_until(lambda: answer_in(client, conversation), what="the answer's row")
        headers = httpx.Headers({"x-conversation-id": conversation, "x-message-id": row["id"]})
        with following(client, headers) as reader:
            engine.say(content="하나")
            reader.read_until_it_says("하나")
            engine.end(*END)
            seen = reader.read_to_the_end()
        assert asked.result().json()["message"]["content"] == seen.content == "하나"


def answer_in(client: httpx.Client, conversation: str) -> dict[str, Any] | None:
    rows = client.get(f"/api/conversations/{conversation}").json()["messages"]
    return next((row for row in rows if row["role"] == "assistant"), None)


def test_answer_that_goes_on_is_followed_from_the_text_that_it_has(
    client: httpx.Client, engine: SteppingEngine
) -> None:
    engine.say(content="하나")
    engine.end(delta_event(finish_reason="length"), b"data: [DONE]\n\n")
    with asking(client) as first:
        first.read_to_the_end()
    path = stream_path(first.headers).replace("/stream", "/continue")
    engine.say(content=" 둘")

    with client.stream("POST", path, json={"stream": True}) as more:
        with following(client, more.headers) as reader:
            reader.read_until_it_says("하나 둘")
            engine.end(*END)
            assert reader.read_to_the_end().content == "하나 둘"
        assert Seen(content="하나").read(more.read()).content == "하나 둘"


def test_silence_is_filled_with_pings(client: httpx.Client, engine: SteppingEngine) -> None:
    with asking(client) as first, following(client, first.headers) as reader:
        reader.read_until_pinged()
        engine.say(content="하나")
        engine.end(*END)

        assert reader.read_to_the_end().content == "하나"


def test_followers_hear_that_the_answer_was_stopped(client: httpx.Client, engine: SteppingEngine) -> None:
    engine.say(content="하나")
    with asking(client) as first, following(client, first.headers) as reader:
        reader.read_until_it_says("하나")

        client.post(stream_path(first.headers).replace("/stream", "/cancel")).raise_for_status()

        seen = reader.read_to_the_end()
        engine.end()
    assert (seen.content, seen.finish_reason, seen.errors, seen.is_done) == ("하나", "cancelled", [], True)


def test_followers_hear_that_the_answer_failed(client: httpx.Client, engine: SteppingEngine) -> None:
    engine.say(content="하나")
    with asking(client) as first, following(client, first.headers) as reader:
        reader.read_until_it_says("하나")

        engine.end()

        seen = reader.read_to_the_end()
        assert first.read_to_the_end().errors == seen.errors == ["upstream_unavailable"]
    assert (seen.content, seen.is_done) == ("하나", True)


def test_followers_count_as_open_event_streams(client: httpx.Client, engine: SteppingEngine) -> None:
    with asking(client) as first, ExitStack() as stack:
        for _ in range(FOLLOWERS):
            stack.enter_context(following(client, first.headers))

        refused = client.get(stream_path(first.headers))

        engine.say(content="하나")
        engine.end(*END)
    assert refused.status_code == 429
    assert error_of(refused)["code"] == "concurrency_limit_exceeded"
    again = wait_until(
        lambda: client.get(stream_path(first.headers)).status_code == 200, what="their places to be free"
    )
    assert again


def test_followers_end_when_the_process_is_told_to_stop(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, engine: SteppingEngine
) -> None:
    folder = tmp_path_factory.mktemp("draining")
    engine.say(content="하나")
    with (
        start_gateway(stores, folder, engine.url) as gateway,
        gateway.client() as client,
        asking(client) as first,
        following(client, first.headers) as reader,
    ):
        reader.read_until_it_says("하나")
        assert gateway.process is not None

        gateway.process.send_signal(signal.SIGTERM)
        seen = reader.read_to_the_end()

        assert (seen.errors, seen.is_done) == (["shutting_down"], True)
        engine.end(*END)
        assert first.read_to_the_end().errors == []
