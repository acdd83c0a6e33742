"""Answers that no well-behaved engine gives: the client and the conversation get a clean end all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chat.tests.scripted_engine import (
    ScriptedEngine,
    delta_event,
    start_scripted_engine,
    usage_event,
)
from chat.tests.streams import error_of, read_stream
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway

DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def strange_gateway(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, scripted_engine: ScriptedEngine
) -> Iterator[GatewayProcess]:
    with start_gateway(
        stores, tmp_path_factory.mktemp("strange"), scripted_engine.url, CHECKPOINT_INTERVAL="0.2"
    ) as process:
        yield process


@pytest.fixture
def client(strange_gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with strange_gateway.client() as session:
        yield session


def newest_answer(client: httpx.Client) -> dict[str, Any]:
    conversation = client.get("/api/conversations", params={"limit": 1}).json()["first_id"]
    answer: dict[str, Any] = client.get(f"/api/conversations/{conversation}").json()["messages"][-1]
    return answer


COMPLETE = [
    pytest.param(delta_event("a\0b") + DONE, "a\ufffdb", id="NUL in the text"),
    pytest.param(delta_event("a", finish_reason="x" * 300) + DONE, "a", id="endless finish reason"),
    pytest.param(delta_event("a") + usage_event(completion_tokens=9**20) + DONE, "a", id="absurd count"),
    pytest.param(delta_event("a") + usage_event(completion_tokens=-1) + DONE, "a", id="negative count"),
    pytest.param(delta_event("a") + usage_event(completion_tokens=None) + DONE, "a", id="no count"),
    pytest.param((delta_event("a") + DONE).replace(b"\n", b"\r\n"), "a", id="CRLF"),
    pytest.param(delta_event("a") + b"data: [DONE]\n", "a", id="[DONE] without its blank line"),
    pytest.param(
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":"x"},{"index":0,"function":'
        b'{"name":"f","arguments":"\\u0000"}}],"content":"a"}}]}\n\n' + DONE,
        "a",
        id="odd tool calls",
    ),
]


@pytest.mark.parametrize(("body", "text"), COMPLETE)
def test_what_cannot_be_stored_does_not_cost_the_answer(
    client: httpx.Client, scripted_engine: ScriptedEngine, body: bytes, text: str
) -> None:
    scripted_engine.body = body

    reply = read_stream(client, "/api/chat", {"content": "x"})

    assert reply.is_done
    assert reply.errors == []
    stored = newest_answer(client)
    assert (stored["status"], stored["content"]) == ("complete", text)


BROKEN = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"data: {]\n\n", id="no JSON"),
    pytest.param(b'data: {"choices": "x"}\n\n', id="no choices"),
    pytest.param(b'data: {"choices": ' + b"[" * 5000 + b"]" * 5000 + b"}\n\n", id="deep"),
    pytest.param(b"data: " + b"x" * (17 * 2**20), id="an event without end"),
]


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_completion_is_the_engines_failure(
    client: httpx.Client, scripted_engine: ScriptedEngine, body: bytes
) -> None:
    scripted_engine.body = body

    answer = client.post("/api/chat", json={"content": "x", "stream": True})

    assert answer.status_code == 502
    assert error_of(answer)["code"] == "upstream_unavailable"
    assert newest_answer(client)["status"] == "error"


def test_no_strange_answer_reached_the_servers_own_error_log(strange_gateway: GatewayProcess) -> None:
    log = strange_gateway.log()

    assert "Exception in ASGI application" not in log
    assert "Traceback" not in log


def test_a_client_that_leaves_while_uploading_is_no_error(strange_gateway: GatewayProcess) -> None:
    import socket

    from gateway.tests.live import wait_until

    with socket.create_connection(("127.0.0.1", strange_gateway.port)) as client:
        client.sendall(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\nAuthorization: Bearer "
            + strange_gateway.token().encode()
            + b"\r\n\r\n{"
        )

    def outcome() -> list[str]:
        return [line.get("outcome", "") for line in strange_gateway.log_events("request")]

    wait_until(lambda: "client_left" in outcome(), what="the request to be logged")
    assert "Exception in ASGI application" not in strange_gateway.log()


def test_a_stored_answer_is_repeated_without_an_engine(
    stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    body = {"content": "once", "client_message_id": "the-one"}
    with start_scripted_engine() as engine:
        engine.body = delta_event("kept") + DONE
        folder = tmp_path_factory.mktemp("repeat")
        with start_gateway(stores, folder, engine.url) as gateway, gateway.client() as client:
            first = client.post("/api/chat", json=body).json()
            gateway.stop()
            gateway.environment["VLLM_BASE_URL"] = "http://127.0.0.1:1"
            gateway.start()

            again = client.post("/api/chat", json=body)

    assert again.status_code == 200
    assert again.json()["message"]["content"] == first["message"]["content"] == "kept"


def test_repeating_a_failed_message_does_not_rewind_the_conversation(
    client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.body = b""
    client.post("/api/chat", json={"content": "fails", "client_message_id": "failed-once"})
    scripted_engine.body = delta_event("fine") + DONE
    conversation = client.get("/api/conversations", params={"limit": 1}).json()["first_id"]
    client.post("/api/chat", json={"conversation_id": conversation, "content": "next"})
    before = client.get(f"/api/conversations/{conversation}").json()["messages"]

    repeated = client.post("/api/chat", json={"content": "fails", "client_message_id": "failed-once"})

    after = client.get(f"/api/conversations/{conversation}").json()["messages"]
    assert repeated.json()["message"]["content"] == "fine"
    assert [m["id"] for m in after] == [m["id"] for m in before]
