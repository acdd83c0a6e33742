"""Tools that the simulated model calls, and when it does not."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from modelops.simulator.tools import PlannedCall, plan_tool_calls
from modelops.tests.simulator.conftest import serve_here
from modelops.tests.simulator.wire_helpers import ask, chat_body, joined_content, stream_events


def make_tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


WEATHER = make_tool("get_weather", city={"type": "string"}, unit={"enum": ["celsius", "kelvin"]})
SEARCH = make_tool("searchDocuments", query={"type": "string"})
ANSWER = make_tool("final_result", answer={"type": "string"})
TOOLS = [WEATHER, SEARCH]


def said(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def called(name: str, call_id: str = "call-1") -> dict[str, Any]:
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def answered(text: str, call_id: str = "call-1") -> dict[str, str]:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def list_planned(messages: list[dict[str, Any]], *, tools: Any = TOOLS, **fields: Any) -> list[str]:
    plan = plan_tool_calls({"tools": tools, **fields}, messages, has_parser=True)
    return [each.name for each in plan.calls]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Call get_weather for Seoul", ["get_weather"]),
        ("What is the WEATHER in Seoul?", ["get_weather"]),
        ("Look into my documents", ["searchDocuments"]),
        ("The weather, please, and then search", ["get_weather", "searchDocuments"]),
        ("Use a tool", ["get_weather"]),
        ("please call one of your functions", ["get_weather"]),
        ("도구를 사용해 줘", ["get_weather"]),
        ("get_weather로 서울 날씨를 알려줘", ["get_weather"]),
        ("Get me some coffee", []),
        ("Hello there", []),
        ("whether or not", []),
    ],
)
def test_a_tool_is_called_when_the_message_names_it_or_asks_for_one(text: str, names: list[str]) -> None:
    assert list_planned([said(text)]) == names


def test_only_the_last_user_message_counts() -> None:
    messages = [said("the weather?"), {"role": "assistant", "content": "Fine."}, said("Thanks")]

    assert list_planned(messages) == []


def test_parallel_calls_can_be_refused() -> None:
    names = list_planned([said("weather and documents")], parallel_tool_calls=False)

    assert names == ["get_weather"]


def test_nothing_is_called_again_once_its_result_is_there() -> None:
    messages = [said("the weather?"), called("get_weather"), answered("12 °C")]

    assert list_planned(messages) == []
    assert list_planned([*messages, said("and the weather tomorrow?")]) == ["get_weather"]


def test_a_tool_must_not_be_called_where_the_choice_is_none() -> None:
    assert list_planned([said("the weather?")], tool_choice="none") == []


def test_required_goes_on_to_the_tool_that_was_not_called() -> None:
    tools = [WEATHER, ANSWER]
    begun = [said("How is the weather?")]

    first = list_planned(begun, tools=tools, tool_choice="required")
    second = list_planned(
        [*begun, called("get_weather"), answered("12 °C")], tools=tools, tool_choice="required"
    )

    assert (first, second) == (["get_weather"], ["final_result"])


def test_arguments_follow_the_tools_schema() -> None:
    plan = plan_tool_calls({"tools": TOOLS}, [said("the weather")], has_parser=True)

    assert plan.calls == (PlannedCall("get_weather", '{"city": "simulated", "unit": "celsius"}'),)


async def test_a_call_has_no_content_and_ends_with_tool_calls(agent_engine: aiohttp.ClientSession) -> None:
    _, body = await ask(agent_engine, chat_body("the weather?", tools=TOOLS))

    (choice,) = body["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    assert json.loads(call["function"]["arguments"]) == {"city": "simulated", "unit": "celsius"}


async def test_calls_are_streamed_name_first_one_after_the_other(agent_engine: aiohttp.ClientSession) -> None:
    events = await stream_events(agent_engine, chat_body("weather and documents", tools=TOOLS))

    deltas = [call for e in events for call in e["choices"][0]["delta"].get("tool_calls", [])]
    heads = [delta for delta in deltas if "id" in delta]
    assert events[1]["choices"][0]["delta"]["content"] is None
    assert events[-1]["choices"][0]["delta"] == {}
    assert [(head["index"], head["function"]) for head in heads] == [
        (0, {"name": "get_weather"}),
        (1, {"name": "searchDocuments"}),
    ]
    assert [delta["index"] for delta in deltas] == sorted(delta["index"] for delta in deltas)
    for number, wanted in enumerate([{"city": "simulated", "unit": "celsius"}, {"query": "simulated"}]):
        pieces = [d["function"].get("arguments", "") for d in deltas if d["index"] == number]
        assert json.loads("".join(pieces)) == wanted
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_the_answer_after_a_call_quotes_the_result(agent_engine: aiohttp.ClientSession) -> None:
    messages = [said("the weather?"), called("get_weather"), answered("12 °C and rain")]

    events = await stream_events(agent_engine, {"messages": messages, "tools": TOOLS})

    assert "The tool get_weather answered: “12 °C and rain”." in joined_content(events)
    assert events[-1]["choices"][0]["finish_reason"] == "stop"


async def test_a_call_that_is_cut_ends_with_length(agent_engine: aiohttp.ClientSession) -> None:
    _, body = await ask(agent_engine, chat_body("weather and documents", tools=TOOLS, max_tokens=4))

    (choice,) = body["choices"]
    assert choice["finish_reason"] == "length"
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["get_weather"]


async def test_reasoning_comes_before_a_call() -> None:
    flags = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3")
    async with serve_here(*flags) as engine:
        events = await stream_events(engine, chat_body("the weather?", tools=TOOLS))

    kinds = list(dict.fromkeys(" ".join(event["choices"][0]["delta"]) for event in events[1:]))
    assert kinds == ["reasoning", "content tool_calls", ""]


async def test_a_choice_that_vllm_does_not_know_is_refused(agent_engine: aiohttp.ClientSession) -> None:
    status, body = await ask(agent_engine, chat_body(tools=TOOLS, tool_choice="sometimes"))

    assert status == 400
    assert body["error"]["param"] == "tool_choice"
