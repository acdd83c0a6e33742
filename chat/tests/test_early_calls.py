"""The engine is called while a new turn is being stored, and nothing reaches the client before it is."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from chat.tests.scripted_engine import ScriptedEngine, delta_event
from gateway.tests.databases import SQLITE_FILE, Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until

GOOD = delta_event("Hello") + delta_event(" there", finish_reason="stop") + b"data: [DONE]\n\n"


@contextlib.contextmanager
def messages_locked(gateway: GatewayProcess) -> Iterator[None]:
    """Inside the context no process stores a message: it waits for the lock that this holds."""
    with contextlib.ExitStack() as stack:
        if url := gateway.environment.get("DATABASE_URL"):
            session = stack.enter_context(psycopg.connect(url))
            session.execute("LOCK TABLE conversations_message IN SHARE MODE")
            stack.callback(session.rollback)
        else:
            folder = Path(gateway.environment["GATEWAY_DATA_DIR"])
            connection = sqlite3.connect(folder / SQLITE_FILE, isolation_level=None, timeout=30)
            stack.callback(connection.close)
            connection.execute("BEGIN IMMEDIATE")
        yield


def chat(gateway: GatewayProcess, **fields: Any) -> httpx.Response:
    with gateway.client() as client:
        return client.post("/api/chat", json={"content": "Hi"} | fields)


def conversations_of(gateway: GatewayProcess) -> list[dict[str, Any]]:
    with gateway.client() as client:
        return [
            client.get(f"/api/conversations/{row['id']}").json()
            for row in client.get("/api/conversations").json()["data"]
        ]


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "plain"])
def test_answer_waits_for_its_row_while_the_engine_is_at_work(
    odd_gateway: GatewayProcess, scripted_engine: ScriptedEngine, is_stream: bool
) -> None:
    scripted_engine.reply(GOOD)
    assert chat(odd_gateway).status_code == 200  # it knows by now who calls
    asked = len(scripted_engine.received)

    with ThreadPoolExecutor(1) as pool:
        with messages_locked(odd_gateway):
            answer = pool.submit(chat, odd_gateway, stream=is_stream)
            wait_until(lambda: len(scripted_engine.received) > asked, what="the engine to be called")
            # Everything that the engine has to say is on its way; another request overtakes the answer.
            assert chat(odd_gateway, store=False, stream=is_stream).status_code == 200
            assert not answer.done()
        response = answer.result(30)

    assert response.status_code == 200
    assert "Hello" in response.text
    with odd_gateway.client() as client:
        stored = client.get(f"/api/conversations/{response.headers['x-conversation-id']}").json()
    assert [message["content"] for message in stored["messages"]] == ["Hi", "Hello there"]
    assert stored["messages"][-1]["id"] == response.headers["x-message-id"]
    assert stored["messages"][-1]["status"] == "complete"


@pytest.fixture(scope="module")
def hasty_gateway(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, scripted_engine: ScriptedEngine
) -> Iterator[GatewayProcess]:
    """A gateway that does not wait long for its database."""
    with start_gateway(
        stores, tmp_path_factory.mktemp("hasty"), scripted_engine.url, DATABASE_TIMEOUT="1"
    ) as process:
        yield process


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "plain"])
def test_answer_whose_row_cannot_be_stored_is_an_error_with_its_own_status(
    hasty_gateway: GatewayProcess, scripted_engine: ScriptedEngine, is_stream: bool
) -> None:
    scripted_engine.reply(GOOD)
    assert chat(hasty_gateway).status_code == 200
    complete = [c["id"] for c in conversations_of(hasty_gateway)]

    with messages_locked(hasty_gateway):
        response = chat(hasty_gateway, stream=is_stream)

    assert response.status_code == 503
    assert response.json()["error"]["code"] == "dependency_unavailable"
    assert "Hello" not in response.text
    assert "x-message-id" not in response.headers
    # The database may have got round to it after all: nobody was told, so it is never a finished answer,
    # even if the text so far was saved.
    late = [c["messages"][-1] for c in conversations_of(hasty_gateway) if c["id"] not in complete]
    assert "complete" not in [answer["status"] for answer in late]


def test_answer_that_fails_before_its_row_is_stored_is_closed_as_that_failure(
    odd_gateway: GatewayProcess, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.reply(b'{"error": {"message": "broken"}}', status=500, content_type="application/json")
    asked = len(scripted_engine.received)

    with ThreadPoolExecutor(1) as pool:
        with messages_locked(odd_gateway):
            answer = pool.submit(chat, odd_gateway, stream=True, content="Fail")
            wait_until(lambda: len(scripted_engine.received) > asked, what="the engine to be called")
        response = answer.result(30)

    assert response.status_code == 502
    stored = next(c for c in conversations_of(odd_gateway) if c["messages"][0]["content"] == "Fail")
    assert [message["status"] for message in stored["messages"]] == ["complete", "error"]
