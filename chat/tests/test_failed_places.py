"""An answer that failed before its first byte: the refusal says where it is stored, and the row says why."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from chat.tests.scripted_engine import ScriptedEngine, delta_event
from chat.tests.streams import error_of

REFUSAL = json.dumps({"error": {"message": "top_k is too high", "type": "BadRequestError", "code": 400}})
CUT = delta_event("Half an") + delta_event(" answer", finish_reason="length") + b"data: [DONE]\n\n"
IS_STREAM = pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "plain"])


def refuse(engine: ScriptedEngine, status: int = 400) -> None:
    engine.reply(REFUSAL.encode(), status=status, content_type="application/json")


def place_of(answer: httpx.Response) -> tuple[str, str]:
    return answer.headers["x-conversation-id"], answer.headers["x-message-id"]


def messages_of(client: httpx.Client, conversation_id: str) -> dict[str, dict[str, Any]]:
    messages = client.get(f"/api/conversations/{conversation_id}").json()["messages"]
    return {message["id"]: message for message in messages}


@IS_STREAM
def test_refused_first_message_says_where_it_is_stored_and_why_it_failed(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, is_stream: bool
) -> None:
    refuse(scripted_engine)

    refused = odd_client.post("/api/chat", json={"content": "Hello", "stream": is_stream})

    assert (refused.status_code, error_of(refused)["message"]) == (400, "top_k is too high")
    conversation_id, message_id = place_of(refused)
    stored = messages_of(odd_client, conversation_id)[message_id]
    assert (stored["status"], stored["error_code"]) == ("error", "invalid_request")
    assert stored["error_message"] == "top_k is too high"


@IS_STREAM
def test_engine_that_fails_leaves_the_reason_in_the_language_of_the_request(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, is_stream: bool
) -> None:
    refuse(scripted_engine, status=500)

    failed = odd_client.post(
        "/api/chat", json={"content": "Hello", "stream": is_stream}, headers={"Accept-Language": "ko"}
    )

    conversation_id, message_id = place_of(failed)
    stored = messages_of(odd_client, conversation_id)[message_id]
    assert failed.status_code == 502
    assert stored["error_message"] == error_of(failed)["message"]
    assert "엔진" in stored["error_message"]


@IS_STREAM
def test_refused_regeneration_names_the_new_answer(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, is_stream: bool
) -> None:
    refuse(scripted_engine)
    conversation_id, first_id = place_of(odd_client.post("/api/chat", json={"content": "Hello"}))

    again = odd_client.post(
        f"/api/conversations/{conversation_id}/messages/{first_id}/regenerate", json={"stream": is_stream}
    )

    assert again.status_code == 400
    _, second_id = place_of(again)
    assert second_id != first_id
    assert messages_of(odd_client, conversation_id)[second_id]["error_message"] == "top_k is too high"


@IS_STREAM
def test_refused_message_of_a_conversation_names_it(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, is_stream: bool
) -> None:
    refuse(scripted_engine)
    conversation_id, _ = place_of(odd_client.post("/api/chat", json={"content": "Hello"}))

    second = odd_client.post(
        f"/api/conversations/{conversation_id}/messages", json={"content": "Again", "stream": is_stream}
    )

    assert place_of(second)[0] == conversation_id
    assert place_of(second)[1] in messages_of(odd_client, conversation_id)


@IS_STREAM
def test_answer_that_could_not_go_on_keeps_what_it_was(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, is_stream: bool
) -> None:
    scripted_engine.reply(CUT)
    conversation_id, message_id = place_of(odd_client.post("/api/chat", json={"content": "Hello"}))
    refuse(scripted_engine)

    refused = odd_client.post(
        f"/api/conversations/{conversation_id}/messages/{message_id}/continue", json={"stream": is_stream}
    )

    assert place_of(refused) == (conversation_id, message_id)
    stored = messages_of(odd_client, conversation_id)[message_id]
    assert (stored["status"], stored["content"], stored["error_message"]) == (
        "complete",
        "Half an answer",
        "",
    )


def test_stream_of_a_failed_answer_ends_with_the_stored_reason(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    refuse(scripted_engine)
    conversation_id, message_id = place_of(odd_client.post("/api/chat", json={"content": "Hello"}))

    stream = odd_client.get(f"/api/conversations/{conversation_id}/messages/{message_id}/stream")

    events = [line.removeprefix("data: ") for line in stream.text.splitlines() if line.startswith("data: ")]
    assert json.loads(events[-2])["error"]["message"] == "top_k is too high"


def test_what_was_refused_before_it_was_stored_names_no_place(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    refused = odd_client.post("/api/chat", json={"content": "Hello", "temperature": 9})

    assert refused.status_code == 400
    assert "x-message-id" not in refused.headers


def test_failure_of_an_answer_that_is_not_stored_names_no_place(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    refuse(scripted_engine)

    refused = odd_client.post("/api/chat", json={"content": "Hello", "store": False})

    assert refused.status_code == 400
    assert "x-message-id" not in refused.headers
