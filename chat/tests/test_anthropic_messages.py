"""Anthropic's messages: the engine's bytes, errors in Anthropic's shape, tokens counted as for chats."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from chat.message_wire import MESSAGE_WIRE, MessageStreamReader
from chat.stream_reading import StreamEnded
from chat.tests.scripted_engine import ScriptedEngine
from chat.tests.typed_events import message_events, read_events, typed_event
from chat.transcript import Transcript, Usage
from gateway.conf import get_config
from gateway.errors import GatewayError, UpstreamUnavailable
from gateway.tests.live import GatewayProcess, wait_until

MESSAGES = "/v1/messages"
HELLO: dict[str, Any] = {
    "model": "scripted",
    "max_tokens": 16,
    "messages": [{"role": "user", "content": "Hello"}],
}
BODY = {
    **{"id": "msg_1", "type": "message", "role": "assistant", "model": "scripted", "stop_reason": "end_turn"},
    "content": [{"type": "text", "text": "Hi."}],
    "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 2},
}


def ask(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(MESSAGES, json=HELLO | fields)


def tokens_of(gateway: GatewayProcess) -> list[tuple[int, int]]:
    lines = [line for line in gateway.log_events("request") if line["path"].startswith(MESSAGES)]
    return [(line["input_tokens"], line["output_tokens"]) for line in lines if "input_tokens" in line]


def error_of_message(answer: httpx.Response) -> tuple[int, str]:
    content = answer.json()
    assert content["type"] == "error"
    assert content["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
    return answer.status_code, content["error"]["type"]


def test_stream_has_the_engines_own_events(odd_client: httpx.Client, scripted_engine: ScriptedEngine) -> None:
    stream = b"".join(message_events("Hel", "lo"))
    scripted_engine.reply(stream)

    answer = ask(odd_client, stream=True)

    assert answer.content == stream
    assert "stream_options" not in scripted_engine.received[-1]


def test_whole_message_is_the_engines_own(
    odd_client: httpx.Client, odd_gateway: GatewayProcess, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.reply(json.dumps(BODY).encode(), content_type="application/json")
    before = tokens_of(odd_gateway)

    answer = ask(odd_client, model="current", system=[{"type": "text", "text": "Be brief. " * 10_000}])

    assert answer.content == scripted_engine.body
    assert scripted_engine.received[-1]["model"] == "scripted"
    assert scripted_engine.received[-1]["cache_salt"]
    assert wait_until(lambda: tokens_of(odd_gateway)[len(before) :]) == [(7, 2)]


def test_count_of_tokens_is_the_engines_own(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.reply(b'{"input_tokens": 11}', content_type="application/json")
    body = {name: value for name, value in HELLO.items() if name != "max_tokens"}

    answer = odd_client.post(f"{MESSAGES}/count_tokens", json=body)

    assert answer.json() == {"input_tokens": 11}
    assert "max_tokens" not in scripted_engine.received[-1]


def test_tokens_of_a_stream_are_counted_with_those_that_a_cache_held(
    odd_client: httpx.Client, odd_gateway: GatewayProcess, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.reply(b"".join(message_events("Hel", "lo", cached=4)))
    before = tokens_of(odd_gateway)

    ask(odd_client, stream=True)

    assert wait_until(lambda: tokens_of(odd_gateway)[len(before) :]) == [(7, 2)]


@pytest.mark.parametrize("kept", [1, 3, 5, 6])
def test_stream_that_breaks_off_ends_with_one_error(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kept: int
) -> None:
    scripted_engine.reply(b"".join(message_events("Hel", "lo")[:kept]))

    events = read_events(ask(odd_client, stream=True))

    assert [event["type"] for event in events].count("error") == 1
    assert events[-1]["error"]["type"] == "api_error"
    assert events[-1]["error"]["details"]["error_code"] == "upstream_unavailable"
    assert "message_stop" not in {event["type"] for event in events}


def test_error_of_the_engine_in_a_stream_is_told_once(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    failure = typed_event("error", error={"type": "internal_error", "message": "out of blocks"})
    scripted_engine.reply(b"".join([*message_events("Hel")[:3], failure]))

    events = read_events(ask(odd_client, stream=True))

    assert [event["type"] for event in events].count("error") == 1
    assert "out of blocks" in events[-1]["error"]["message"]


def test_errors_before_the_first_byte_keep_their_status(
    odd_client: httpx.Client, odd_gateway: GatewayProcess, scripted_engine: ScriptedEngine
) -> None:
    refusal = {
        "type": "error",
        "error": {"type": "BadRequestError", "message": "max_tokens must be positive"},
    }
    scripted_engine.reply(json.dumps(refusal).encode(), status=400, content_type="application/json")

    refused = ask(odd_client, stream=True)

    assert error_of_message(refused) == (400, "invalid_request_error")
    assert refused.json()["error"]["message"] == "max_tokens must be positive"
    assert error_of_message(ask(odd_client, model="claude")) == (404, "not_found_error")
    assert error_of_message(httpx.post(odd_gateway.url + MESSAGES, json=HELLO)) == (
        401,
        "authentication_error",
    )
    assert error_of_message(odd_client.post(MESSAGES, content=b"{")) == (400, "invalid_request_error")
    assert error_of_message(odd_client.get(MESSAGES)) == (405, "invalid_request_error")
    assert error_of_message(odd_client.post(f"{MESSAGES}/batches")) == (404, "not_found_error")


def test_request_that_is_too_large_is_refused_in_the_same_shape(odd_client: httpx.Client) -> None:
    answer = odd_client.post(MESSAGES, content=b" " * (get_config().max_engine_body_bytes + 1), timeout=60)

    assert error_of_message(answer) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"stop_sequences": ["x"] * 1000}, "stop_sequences"),
        ({"tools": [{"name": "f", "input_schema": {}}] * 1000}, "tools"),
        ({"priority": 1}, "priority"),
        ({"metadata": {"user_id": "x" * 100_000}}, "metadata"),
    ],
)
def test_what_a_request_may_ask_is_bounded(odd_client: httpx.Client, fields: Any, param: str) -> None:
    answer = ask(odd_client, **fields)

    assert error_of_message(answer) == (400, "invalid_request_error")
    assert answer.json()["error"]["details"]["param"] == param


IMAGE = {"type": "image", "source": {"type": "url", "url": "http://169.254.169.254/"}}


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": [IMAGE]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [IMAGE]}]}]},
        {"system": [IMAGE]},
    ],
)
def test_images_come_in_the_request(odd_client: httpx.Client, fields: Any) -> None:
    answer = ask(odd_client, **fields)

    assert error_of_message(answer) == (400, "invalid_request_error")
    assert answer.json()["error"]["details"]["param"].endswith("source.url")


def test_image_in_base64_and_a_call_with_a_url_reach_the_engine(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.reply(json.dumps(BODY).encode(), content_type="application/json")
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    call = {"type": "tool_use", "id": "t1", "name": "fetch", "input": {"url": "http://example.test/"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "200"}
    messages = [
        {"role": "user", "content": [image]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]

    answer = ask(odd_client, messages=messages)

    assert answer.status_code == 200
    assert scripted_engine.received[-1]["messages"] == messages


def read_all(*events: bytes) -> tuple[Transcript, MessageStreamReader, object]:
    transcript = Transcript()
    reader = MessageStreamReader(transcript)
    return transcript, reader, reader.read(b"".join(events)).ending


def test_transcript_has_text_thinking_calls_and_usage() -> None:
    events = message_events("Hi", stop_reason="tool_use")
    thinking = typed_event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm"})
    block = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
    begun = typed_event("content_block_start", index=1, content_block=block)
    argument = typed_event(
        "content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a": 1}'}
    )

    transcript, reader, ending = read_all(events[0], thinking, *events[1:4], begun, argument, *events[4:])

    assert ending is StreamEnded
    assert reader.last_event == events[-1]
    assert (transcript.content, transcript.reasoning, transcript.finish_reason) == ("Hi", "Hm", "tool_use")
    function = {"name": "f", "arguments": '{"a": 1}'}
    assert transcript.tool_calls == [{"id": "t1", "type": "function", "function": function}]
    assert transcript.usage == Usage(7, 1)


def test_prompt_is_known_of_a_stream_that_its_reader_leaves() -> None:
    transcript, _reader, ending = read_all(*message_events("Hel", "lo")[:3])

    assert ending is None
    assert (transcript.usage, transcript.prompt_tokens, transcript.pieces) == (None, 7, 1)


def test_message_without_any_answer_is_a_failure() -> None:
    begun, *_rest, stop = message_events()

    _transcript, _reader, ending = read_all(begun, stop)

    assert isinstance(ending, UpstreamUnavailable)


@pytest.mark.parametrize("body", [b"[]", b"no json", b'{"type": "error", "error": {"message": "m"}}'])
def test_whole_answer_that_is_no_message_is_a_failure(body: bytes) -> None:
    with pytest.raises(GatewayError):
        MESSAGE_WIRE.read_whole(body)
