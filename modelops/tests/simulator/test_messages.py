"""`/v1/messages` in the shapes of vLLM 0.32, which are Anthropic's."""

from __future__ import annotations

import base64
import json
from typing import Any

import aiohttp
import pytest

from modelops.tests.simulator.conftest import serve_here
from modelops.tests.simulator.wire_helpers import ask

MESSAGES = "/v1/messages"
WEATHER = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def message_body(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    return {
        "model": "chat-a",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": text}],
        **fields,
    }


async def read_events(client: aiohttp.ClientSession, body: dict[str, Any]) -> list[dict[str, Any]]:
    async with client.post(MESSAGES, json=body | {"stream": True}) as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        text = (await response.read()).decode()
    events = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def fold(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks that a stream adds up to, as Anthropic's clients fold them."""
    blocks: list[dict[str, Any]] = []
    for event in events:
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append({**event["content_block"], "json": ""})
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            block = blocks[event["index"]]
            for source, field in (("text", "text"), ("thinking", "thinking"), ("partial_json", "json")):
                if source in delta:
                    block[field] += delta[source]
    return blocks


async def test_a_message_has_vllms_fields_in_order(agent_engine: aiohttp.ClientSession) -> None:
    _, body = await ask(agent_engine, message_body(system="Be brief."), MESSAGES)

    assert list(body) == ["id", "type", "role", "content", "model", "stop_reason", "usage"]
    (block,) = body["content"]
    assert block["text"].startswith("This is a simulated reply")
    assert (body["stop_reason"], body["model"], body["role"]) == ("end_turn", "chat-a", "assistant")
    assert body["usage"]["input_tokens"] > 0 < body["usage"]["output_tokens"]


async def test_a_stream_opens_fills_and_closes_its_block(agent_engine: aiohttp.ClientSession) -> None:
    _, whole = await ask(agent_engine, message_body(), MESSAGES)

    events = await read_events(agent_engine, message_body())

    kinds = [event["type"] for event in events]
    stages = [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before]
    assert stages == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    assert fold(events)[0]["text"] == whole["content"][0]["text"]
    start = events[0]["message"]
    assert (start["content"], start["stop_reason"], start["usage"]["output_tokens"]) == ([], None, 0)
    assert events[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert events[-2]["usage"] == whole["usage"]
    assert list(events[2]) == ["type", "delta", "index"]


async def test_thinking_is_signed_before_the_tools_are_used() -> None:
    flags = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3")
    body = message_body("weather and rain", tools=[WEATHER, WEATHER | {"name": "find_rain"}])
    async with serve_here(*flags) as engine:
        events = await read_events(engine, body)
        _, quiet = await ask(engine, body | {"thinking": {"type": "disabled"}}, MESSAGES)

    blocks = fold(events)
    assert [block["type"] for block in blocks] == ["thinking", "tool_use", "tool_use"]
    assert [json.loads(block["json"]) for block in blocks[1:]] == [{"city": "simulated"}] * 2
    assert "signature_delta" in [e["delta"]["type"] for e in events if e["type"] == "content_block_delta"]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert [block["type"] for block in quiet["content"]] == ["tool_use", "tool_use"]


async def test_the_turns_of_a_tool_are_taken(agent_engine: aiohttp.ClientSession) -> None:
    body = message_body("the weather?", tools=[WEATHER])
    _, first = await ask(agent_engine, body, MESSAGES)
    (call,) = first["content"]
    result = {
        "type": "tool_result",
        "tool_use_id": call["id"],
        "content": [{"type": "text", "text": "12 °C"}],
    }
    turns = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]

    _, second = await ask(agent_engine, body | {"messages": [*body["messages"], *turns]}, MESSAGES)

    assert (first["stop_reason"], call["name"], call["input"]) == (
        "tool_use",
        "get_weather",
        {"city": "simulated"},
    )
    assert "The tool get_weather answered: “12 °C”." in second["content"][0]["text"]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({"type": "any"}, ["get_weather", "find_rain"]),
        ({"type": "tool", "name": "find_rain"}, ["find_rain"]),
        ({"type": "none"}, []),
        ({"type": "auto", "disable_parallel_tool_use": True}, ["get_weather"]),
    ],
)
async def test_the_choice_of_a_tool_is_followed(
    agent_engine: aiohttp.ClientSession, choice: dict[str, Any], names: list[str]
) -> None:
    tools = [WEATHER, WEATHER | {"name": "find_rain"}]

    _, body = await ask(
        agent_engine, message_body("weather and rain", tools=tools, tool_choice=choice), MESSAGES
    )

    assert [block["name"] for block in body["content"] if block["type"] == "tool_use"] == names
    assert body["stop_reason"] == ("tool_use" if names else "end_turn")


async def test_images_and_stop_sequences_work(agent_engine: aiohttp.ClientSession) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "Look"}]
    body = message_body(messages=[{"role": "user", "content": content}], stop_sequences=["PNG 1×1"])

    _, answer = await ask(agent_engine, body, MESSAGES)

    assert base64.b64decode(PIXEL).startswith(b"\x89PNG")
    assert answer["content"][0]["text"].endswith("Images received: ")
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", "PNG 1×1")


async def test_a_schema_is_followed_in_a_message(agent_engine: aiohttp.ClientSession) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    config = {"format": {"type": "json_schema", "schema": schema}}

    _, body = await ask(agent_engine, message_body(output_config=config), MESSAGES)

    assert json.loads(body["content"][0]["text"]) == {"n": 1}


async def test_tokens_are_counted_as_they_are_charged(agent_engine: aiohttp.ClientSession) -> None:
    body = message_body(system="Be brief.")
    _, answer = await ask(agent_engine, body, MESSAGES)
    del body["max_tokens"]

    _, counted = await ask(agent_engine, body, f"{MESSAGES}/count_tokens")

    tokens = answer["usage"]["input_tokens"]
    assert counted == {"input_tokens": tokens, "context_management": {"original_input_tokens": tokens}}


async def test_a_refusal_is_in_anthropics_shape(agent_engine: aiohttp.ClientSession) -> None:
    status, body = await ask(agent_engine, message_body(model="nope"), MESSAGES)

    message = "The model `nope` does not exist. Valid aliases: chat-a."
    assert (status, body) == (404, {"type": "error", "error": {"type": "NotFoundError", "message": message}})


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"max_tokens": None}, "body.max_tokens"),
        ({"max_tokens": 0}, "body.max_tokens"),
        ({"model": ""}, "body.model"),
        ({"messages": [{"role": "tool", "content": ""}]}, "body.messages.0.role"),
        ({"tools": [{"name": "x"}]}, "body.tools.0.input_schema"),
    ],
)
async def test_what_is_no_request_is_refused_by_the_framework(
    agent_engine: aiohttp.ClientSession, fields: dict[str, Any], path: str
) -> None:
    status, body = await ask(agent_engine, message_body(**fields), MESSAGES)

    assert (status, body["error"]["type"], body["error"]["param"]) == (400, "Bad Request", path)


async def test_a_stream_that_fails_ends_with_an_error_event(agent_engine: aiohttp.ClientSession) -> None:
    fault = {"sim_fault": "in_band_error", "sim_after": 2}

    events = await read_events(agent_engine, message_body(vllm_xargs=fault))

    assert events[-1]["error"]["type"] == "internal_error"
    assert "message_stop" not in [event["type"] for event in events]
