"""Which chat requests are understood, and how clearly the others are refused."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from chat.field_caps import GENERATION_CAPS
from chat.message_schemas import ChatMessage
from chat.schemas import ChatRequest, parse_chat_request, parse_openai_request
from gateway.conf_requests import RequestConfig
from gateway.errors import InvalidRequest

HELLO = [{"role": "user", "content": "Hello"}]
SOME_ID = str(uuid.uuid4())


def chat(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def parse_chat(body: bytes) -> ChatRequest:
    return parse_chat_request(body, RequestConfig())


def parse_openai(body: bytes) -> dict[str, Any]:
    return parse_openai_request(body, GENERATION_CAPS, RequestConfig(), make_private=str.upper)


def test_shortest_request_has_the_documented_defaults() -> None:
    request = parse_chat(chat(content="Hello"))

    assert (request.model, request.content, request.messages) == ("current", "Hello", None)
    assert (request.stream, request.store, request.on_disconnect) == (False, True, "finish")
    assert (request.temperature, request.top_p, request.max_tokens, request.stop, request.seed) == (None,) * 5


def test_full_request_is_read_with_its_types() -> None:
    request = parse_chat(
        chat(
            model="tiny",
            content="안녕 👋",
            conversation_id=SOME_ID,
            parent_id=SOME_ID,
            client_message_id="a.B:1_-",
            stream=True,
            temperature=0,
            top_p=1,
            max_tokens=1,
            stop=["a", "b"],
            seed=-1,
            on_disconnect="cancel",
        )
    )

    assert request.content == "안녕 👋"
    assert request.conversation_id == request.parent_id == uuid.UUID(SOME_ID)
    assert (request.temperature, request.stop, request.seed) == (0.0, ["a", "b"], -1)


def test_messages_are_read_in_order() -> None:
    request = parse_chat(chat(messages=[{"role": "system", "content": "Be brief."}, *HELLO]))

    assert request.messages == [ChatMessage("system", "Be brief."), ChatMessage("user", "Hello")]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ""}, "stop"),
        ({"stop": [""]}, "stop[0]"),
        ({"stop": ["a", 1]}, "stop[1]"),
        ({"seed": 2**63}, "seed"),
        ({"stream": "yes"}, "stream"),
        ({"store": None}, "store"),
        ({"on_disconnect": "explode"}, "on_disconnect"),
        ({"model": 5}, "model"),
        ({"model": "x" * 201}, "model"),
        ({"conversation_id": "1"}, "conversation_id"),
        ({"client_message_id": "a b"}, "client_message_id"),
        ({"client_message_id": "x" * 129}, "client_message_id"),
        ({"client_message_id": ""}, "client_message_id"),
        ({"n": 5}, "n"),
        ({"user_id": SOME_ID}, "user_id"),
        ({"content": ""}, "content"),
        ({"content": "x" * 1_000_001}, "content"),
        ({"content": ["parts"]}, "content"),
    ],
)
def test_malformed_or_unknown_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_chat(chat(**{"content": "Hello"} | fields))

    assert caught.value.param == param
    assert param in caught.value.message


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ("Hello", "messages"),
        ([*HELLO, {"role": "user"}], "messages[1].content"),
        ([{"content": "Hello"}], "messages[0].role"),
        ([{"role": "root", "content": "Hello"}], "messages[0].role"),
        ([{"role": "tool", "content": "Hello"}], "messages[0].tool_call_id"),
        ([{"role": "user", "content": 5}], "messages[0].content"),
        ([{"role": "user", "content": ""}], "messages[0].content"),
        ([{"role": "user", "content": "Hello", "status": "complete"}], "messages[0].status"),
        ([*HELLO, {"role": "assistant", "content": "Hi"}], "messages"),
        (HELLO * 1001, "messages"),
    ],
)
def test_malformed_message_is_named_by_its_place(messages: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_chat(chat(messages=messages))

    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "messages"),
        ({"messages": HELLO, "content": "Hello"}, "messages"),
        ({"messages": HELLO, "file_ids": [SOME_ID]}, "file_ids"),
        ({"content": "Hello", "parent_id": SOME_ID}, "parent_id"),
        ({"content": "Hello", "store": False, "conversation_id": SOME_ID}, "conversation_id"),
        ({"content": "Hello", "store": False, "client_message_id": "1"}, "client_message_id"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_chat(chat(**fields))

    assert caught.value.param == param


BROKEN = {
    "empty": b"",
    "cut": b'{"content": "Hel',
    "list": b"[]",
    "null": b"null",
    "two values": b'{"content": "a"} {}',
    "nan": b'{"content": "a", "temperature": NaN}',
    "infinite": b'{"content": "a", "temperature": 1e400}',
    "deep": b'{"content": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "deep and unknown": b'{"content": "a", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "lone surrogate": b'{"content": "\\ud800"}',
    "not utf-8": b'{"content": "\xff"}',
    "escaped nul": b'{"content": "a\\u0000b"}',
    "raw nul": b'{"content": "a\x00b"}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_body_that_is_no_clean_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_chat(body)


def test_text_about_the_nul_escape_is_not_a_nul() -> None:
    request = parse_chat(rb'{"content": "what does \\u0000 mean in JSON?"}')

    assert request.content == r"what does \u0000 mean in JSON?"


def test_openai_body_passes_with_everything_the_gateway_does_not_know() -> None:
    body = {"model": "tiny", "messages": [{"role": "developer", "content": [{"type": "text"}]}], "top_k": 5}

    assert parse_openai(chat(**body)) == body


def test_openai_body_without_a_model_asks_for_none() -> None:
    assert parse_openai(chat(messages=[]))["model"] == ""


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 5}, "model"),
        ({"model": ["m"]}, "model"),
        ({"stream": "maybe"}, "stream"),
        ({"stream": 2}, "stream"),
        ({"stream_options": "usage"}, "stream_options"),
    ],
)
def test_openai_field_that_the_gateway_acts_on_is_checked(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_openai(chat(**fields))

    assert caught.value.param == param


@pytest.mark.parametrize("fields", [{"stream": None}, {"stream_options": None}])
def test_openai_null_is_as_good_as_absent(fields: dict[str, Any]) -> None:
    assert parse_openai(chat(model="tiny", **fields)) == {"model": "tiny"} | fields


@pytest.mark.parametrize("body", [BROKEN[name] for name in BROKEN if "nul" not in name or name == "null"])
def test_openai_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_openai(body)
