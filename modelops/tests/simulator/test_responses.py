"""`/v1/responses` by OpenAI's own client, and in the shapes of vLLM 0.32."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import openai
import pydantic
import pytest
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage

from modelops.tests.simulator.conftest import serve_here
from modelops.tests.simulator.wire_helpers import ask

RESPONSES = "/v1/responses"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": None,
    "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Verdict(pydantic.BaseModel):
    is_good: bool
    score: int


async def read_events(client: aiohttp.ClientSession, body: dict[str, Any]) -> list[dict[str, Any]]:
    async with client.post(RESPONSES, json=body | {"stream": True}) as response:
        text = (await response.read()).decode()
    events = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


async def test_a_response_has_vllms_fields_in_order(agent_engine: aiohttp.ClientSession) -> None:
    _, body = await ask(agent_engine, {"input": "Hello", "max_output_tokens": 3}, RESPONSES)

    fields = "id created_at incomplete_details instructions metadata model object output parallel_tool_calls"
    fields += " temperature tool_choice tools top_p background max_output_tokens max_tool_calls"
    fields += " previous_response_id prompt reasoning service_tier status text top_logprobs truncation usage"
    fields += " user presence_penalty frequency_penalty kv_transfer_params ec_transfer_params input_messages"
    assert list(body) == [*fields.split(), "output_messages"]
    assert body["id"].startswith("resp_")
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert (body["tool_choice"], body["max_output_tokens"]) == ("none", 3)
    assert body["usage"]["output_tokens"] == 3
    assert list(body["output"][0]) == ["id", "content", "role", "status", "type", "phase"]


async def test_the_client_reads_text_with_its_instructions(sdk: openai.AsyncOpenAI) -> None:
    response = await sdk.responses.create(
        model="chat-a",
        instructions="Be brief.",
        input=[
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": [{"type": "input_text", "text": "And now?"}]},
        ],
    )

    assert response.status == "completed"
    assert response.output_text.startswith("This is a simulated reply")
    assert "“And now?”" in response.output_text
    assert response.instructions == "Be brief."
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


async def test_the_client_takes_the_turns_of_a_tool(sdk: openai.AsyncOpenAI) -> None:
    given: Any = [{"role": "user", "content": "How is the weather?"}]
    first = await sdk.responses.create(model="chat-a", input=given, tools=[WEATHER])
    (call,) = first.output
    assert isinstance(call, ResponseFunctionToolCall)

    given += [
        call.model_dump(),
        {"type": "function_call_output", "call_id": call.call_id, "output": "12 °C"},
    ]
    second = await sdk.responses.create(model="chat-a", input=given, tools=[WEATHER])

    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "simulated"})
    assert "The tool get_weather answered: “12 °C”." in second.output_text


async def test_the_client_parses_a_schema(sdk: openai.AsyncOpenAI) -> None:
    response = await sdk.responses.parse(model="chat-a", input="Judge", text_format=Verdict)

    assert response.output_parsed == Verdict(is_good=True, score=1)


async def test_the_client_streams_a_whole_message(sdk: openai.AsyncOpenAI) -> None:
    async with sdk.responses.stream(model="chat-a", input="Hello") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()

    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(pieces) == final.output_text
    assert final.output_text.startswith("This is a simulated reply")
    assert isinstance(final.output[0], ResponseOutputMessage)


async def test_a_stream_has_vllms_sequence_of_events() -> None:
    flags = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3")
    tools = [WEATHER, WEATHER | {"name": "find_rain"}]
    async with serve_here(*flags) as engine:
        events = await read_events(engine, {"input": "weather and rain", "tools": tools})

    kinds = [event["type"].removeprefix("response.") for event in events]
    stages = [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before]
    call = [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    assert stages == [
        *("created", "in_progress", "output_item.added", "content_part.added", "reasoning_text.delta"),
        *("reasoning_text.done", "content_part.done", "output_item.done", *call, *call, "completed"),
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert events[-1]["response"]["output"] == done
    assert [item["type"] for item in done] == ["reasoning", "function_call", "function_call"]
    assert {event["output_index"] for event in events if "output_index" in event} == {0, 1, 2}


async def test_events_have_vllms_fields_in_order(agent_engine: aiohttp.ClientSession) -> None:
    events = await read_events(agent_engine, {"input": "weather", "tools": [WEATHER]})
    text = await read_events(agent_engine, {"input": "Hello"})

    fields = {event["type"].removeprefix("response."): " ".join(event) for event in [*events, *text]}
    place = "item_id output_index sequence_number"
    assert fields["output_item.added"] == "item output_index sequence_number type"
    assert fields["function_call_arguments.delta"] == f"delta {place} type"
    assert fields["function_call_arguments.done"] == f"arguments {place} type name"
    assert fields["output_text.delta"] == (
        "content_index delta item_id logprobs output_index sequence_number type"
    )
    assert fields["output_text.done"] == (
        "content_index item_id logprobs output_index sequence_number text type"
    )


async def test_without_a_parser_tools_are_passed_over() -> None:
    async with serve_here() as engine:
        status, body = await ask(engine, {"input": "the weather?", "tools": [WEATHER]}, RESPONSES)

    assert (status, body["output"][0]["type"]) == (200, "message")


@pytest.mark.parametrize(
    ("fields", "status", "param", "message"),
    [
        ({"previous_response_id": "resp_1"}, 404, "response_id", "Response with id 'resp_1' not found."),
        ({"background": True}, 400, "background", "This vLLM engine does not support `store=True`"),
        ({"background": True, "store": False}, 400, "background", "background can only be used when `store`"),
        ({"prompt": {"id": "p"}}, 400, "prompt", "prompt template is not supported"),
        ({"tool_choice": "required"}, 400, "tool_choice", "Tool choice 'required' must be specified"),
        (
            {"tool_choice": {"type": "function", "name": "x"}, "tools": [WEATHER]},
            400,
            "tool_choice",
            "Tool choice 'function' not found in 'tools' parameter.",
        ),
        ({"input": [{"type": "item_reference", "id": "x"}]}, 400, "input", "Unsupported input item type"),
        ({"max_output_tokens": 9000}, 400, "max_output_tokens", "max_output_tokens=9000 cannot be greater"),
        ({"model": "nope"}, 404, "model", "The model `nope` does not exist."),
        ({"input": None}, 400, "body.input", "1 validation error"),
    ],
)
async def test_a_request_is_refused_in_vllms_words(
    agent_engine: aiohttp.ClientSession, fields: dict[str, Any], status: int, param: str, message: str
) -> None:
    answered, body = await ask(agent_engine, {"input": "Hello", **fields}, RESPONSES)

    assert (answered, body["error"]["param"]) == (status, param)
    assert body["error"]["message"].startswith(message)


async def test_no_response_is_kept(agent_engine: aiohttp.ClientSession) -> None:
    _, made = await ask(agent_engine, {"input": "Hello", "store": True}, RESPONSES)

    async with agent_engine.get(f"{RESPONSES}/{made['id']}") as response:
        assert response.status == 404
        assert (await response.json())["error"]["type"] == "invalid_request_error"


async def test_a_stream_that_fails_is_cut(agent_engine: aiohttp.ClientSession) -> None:
    body = {"input": "Hello", "stream": True, "vllm_xargs": {"sim_fault": "in_band_error", "sim_after": 2}}

    async with agent_engine.post(RESPONSES, json=body) as response:
        with pytest.raises(aiohttp.ClientError):
            await response.read()
