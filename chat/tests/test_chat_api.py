"""POST /api/chat against a running gateway and a simulated engine."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from chat.tests.streams import error_of, read_stream
from gateway.tests.live import GatewayProcess


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with gateway.client() as session:
        yield session


def branch_of(client: httpx.Client, conversation_id: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = client.get(f"/api/conversations/{conversation_id}").json()["messages"]
    return messages


def test_an_answer_is_returned_and_kept_with_its_usage(client: httpx.Client) -> None:
    answer = client.post("/api/chat", json={"content": "Hello there", "max_tokens": 12})

    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {
        *("id", "conversation_id", "message_id", "model"),
        *("message", "finish_reason", "usage", "omitted_messages", "request_id"),
    }
    assert body["usage"]["completion_tokens"] == 12
    asked, answered = branch_of(client, body["conversation_id"])
    assert (asked["role"], asked["content"], asked["status"]) == ("user", "Hello there", "complete")
    assert answered["content"] == body["message"]["content"]
    assert answered["status"] == "complete"
    assert answered["usage"] == body["usage"]
    assert answered["usage_source"] == "engine"
    assert answered["finish_reason"] == "length"
    assert answered["request_id"] == body["request_id"] == answer.headers["x-request-id"]
    assert 0 <= answered["ttft_ms"] <= answered["latency_ms"]


def test_a_stream_says_its_ids_and_equals_what_is_kept(client: httpx.Client) -> None:
    reply = read_stream(client, "/api/chat", {"content": "안녕하세요, 오늘 날씨 어때요?"})

    assert reply.status == 200
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["cache-control"] == "no-cache, no-transform"
    assert reply.headers["x-accel-buffering"] == "no"
    assert reply.is_done
    first = reply.events[0]
    assert first["conversation_id"] == reply.headers["x-conversation-id"]
    assert first["message_id"] == reply.headers["x-message-id"]
    assert first["object"] == "chat.completion.chunk"
    stored = branch_of(client, first["conversation_id"])[-1]
    assert stored["content"] == reply.text
    assert stored["usage"] == {k: (reply.usage or {})[k] for k in stored["usage"]}


def test_a_conversation_goes_on_with_its_history_and_system_prompt(client: httpx.Client) -> None:
    started = client.post(
        "/api/chat",
        json={
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "one"},
            ],
            "max_tokens": 3,
        },
    ).json()

    second = client.post(
        "/api/chat",
        json={"conversation_id": started["conversation_id"], "content": "two", "max_tokens": 3},
    ).json()

    assert second["conversation_id"] == started["conversation_id"]
    # The second prompt holds everything said before, so it is longer.
    assert second["usage"]["prompt_tokens"] > started["usage"]["prompt_tokens"] + 3
    branch = branch_of(client, started["conversation_id"])
    assert [m["role"] for m in branch] == ["user", "assistant", "user", "assistant"]
    detail = client.get(f"/api/conversations/{started['conversation_id']}").json()
    assert detail["system_prompt"] == "Be brief."
    assert detail["title"] == "one"


def test_a_parent_makes_a_sibling_branch(client: httpx.Client) -> None:
    started = client.post("/api/chat", json={"content": "root", "max_tokens": 2}).json()
    conversation = started["conversation_id"]
    root_answer = branch_of(client, conversation)[-1]["id"]
    client.post("/api/chat", json={"conversation_id": conversation, "content": "left", "max_tokens": 2})

    client.post(
        "/api/chat",
        json={
            "conversation_id": conversation,
            "parent_id": root_answer,
            "content": "right",
            "max_tokens": 2,
        },
    )

    said = [m["content"] for m in branch_of(client, conversation) if m["role"] == "user"]
    assert said == ["root", "right"]


def test_nothing_is_kept_when_store_is_off(client: httpx.Client) -> None:
    before = client.get("/api/conversations").json()["first_id"]

    answer = client.post("/api/chat", json={"content": "secret", "store": False, "max_tokens": 2})

    assert answer.json()["conversation_id"] is None
    assert "x-conversation-id" not in answer.headers
    assert client.get("/api/conversations").json()["first_id"] == before


@pytest.mark.parametrize("stream", [False, True])
def test_a_repeated_client_message_id_returns_the_first_answer(client: httpx.Client, stream: bool) -> None:
    body = {"content": "once", "client_message_id": uuid.uuid4().hex, "max_tokens": 5}
    first = client.post("/api/chat", json=body).json()

    if stream:
        reply = read_stream(client, "/api/chat", body)
        again = reply.text, reply.events[0]["message_id"]
    else:
        answer = client.post("/api/chat", json=body).json()
        again = answer["message"]["content"], answer["message_id"]

    assert again == (first["message"]["content"], first["message_id"])
    assert len(branch_of(client, first["conversation_id"])) == 2


def test_two_messages_at_once_leave_one_of_them_waiting(client: httpx.Client) -> None:
    started = client.post("/api/chat", json={"content": "begin", "max_tokens": 2}).json()
    body = {"conversation_id": started["conversation_id"], "content": "both", "max_tokens": 60}

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _i: client.post("/api/chat", json=body), range(4)))

    codes = sorted(a.status_code for a in answers)
    assert codes == [200, 409, 409, 409]
    refused = next(a for a in answers if a.status_code == 409)
    assert error_of(refused)["code"] == "conversation_busy"
    assert refused.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"content": "x", "temperature": 2.1}, "temperature"),
        ({"content": "x", "temperature": "hot"}, "temperature"),
        ({"content": "x", "top_p": 0}, "top_p"),
        ({"content": "x", "max_tokens": 0}, "max_tokens"),
        ({"content": "x", "colour": "red"}, "colour"),
        ({"content": ""}, "content"),
        ({}, "messages"),
        ({"content": "x", "messages": [{"role": "user", "content": "y"}]}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "y"}]}, "messages[0].role"),
        ({"messages": [{"role": "assistant", "content": "y"}]}, "messages"),
        ({"content": "x", "conversation_id": "42"}, "conversation_id"),
        ({"content": "x", "parent_id": str(uuid.uuid4())}, "parent_id"),
        ({"content": "x", "on_disconnect": "explode"}, "on_disconnect"),
        ({"content": "x", "store": False, "client_message_id": "a"}, "client_message_id"),
        ({"content": "x", "client_message_id": "a b"}, "client_message_id"),
    ],
)
def test_a_bad_field_is_named(client: httpx.Client, body: dict[str, Any], param: str) -> None:
    answer = client.post("/api/chat", json=body)

    assert answer.status_code == 400
    error = error_of(answer)
    assert (error["code"], error["param"]) == ("invalid_request", param)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[1]",
        b'{"content": "\\u0000"}',
        b'{"content": "\\ud800"}',
        b'{"content": "\xff"}',
        b'{"content": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_json_text_is_refused(client: httpx.Client, raw: bytes) -> None:
    answer = client.post("/api/chat", content=raw)

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "invalid_request"


def test_a_chunked_body_is_read(client: httpx.Client) -> None:
    answer = client.post("/api/chat", content=iter([b'{"content": "hi', b'", "max_tokens": 1}']))

    assert answer.status_code == 200


def test_somebody_elses_conversation_looks_like_a_missing_one(
    client: httpx.Client, gateway: GatewayProcess
) -> None:
    with gateway.client("admin") as other:
        theirs = other.post("/api/chat", json={"content": "mine", "max_tokens": 1}).json()

    def ask(conversation_id: str) -> tuple[int, dict[str, Any]]:
        answer = client.post("/api/chat", json={"conversation_id": conversation_id, "content": "x"})
        return answer.status_code, error_of(answer)

    assert ask(theirs["conversation_id"]) == ask(str(uuid.uuid4()))
    assert ask(theirs["conversation_id"])[0] == 404


def test_an_unknown_model_is_not_found(client: httpx.Client) -> None:
    answer = client.post("/api/chat", json={"content": "x", "model": "gpt-9"})

    assert answer.status_code == 404
    assert error_of(answer)["code"] == "model_not_found"
    assert "simulated" in error_of(answer)["message"]


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer ' OR 1=1 --"])
def test_a_missing_or_bad_credential_is_refused(gateway: GatewayProcess, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}

    answer = httpx.post(f"{gateway.url}/api/chat", json={"content": "x"}, headers=headers)

    assert answer.status_code == 401
    assert error_of(answer)["code"] == "invalid_api_key"
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_request_id_of_the_client_is_kept_if_it_is_harmless(client: httpx.Client) -> None:
    kept = client.post("/api/chat", json={}, headers={"x-request-id": "my-id_1"})
    replaced = client.post("/api/chat", json={}, headers={"x-request-id": "no spaces;"})

    assert kept.headers["x-request-id"] == "my-id_1"
    assert replaced.headers["x-request-id"] not in {"", "no spaces;"}


def test_other_methods_and_paths_answer_in_the_envelope(client: httpx.Client) -> None:
    wrong_method = client.get("/api/chat")
    wrong_path = client.post("/v1/fine_tuning/jobs", json={})

    assert wrong_method.status_code == 405
    assert error_of(wrong_method)["code"] == "method_not_allowed"
    assert wrong_path.status_code == 404
    assert error_of(wrong_path)["code"] == "not_found"
