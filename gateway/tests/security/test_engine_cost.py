"""Requests that are small for a client and large for the engine: refused before it hears of them."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from chat.caps import apply_caps
from chat.field_caps import GENERATION_CAPS
from chat.nesting import is_nested_deeper
from chat.tests.scripted_engine import ScriptedEngine
from chat.tests.streams import error_of
from gateway.conf_requests import OPERATORS_FIELDS, RequestConfig
from gateway.errors import InvalidRequest

HELLO = [{"role": "user", "content": "hello"}]


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


DEEP = nested(200)
DEEP_TEXT = msgspec.json.encode(DEEP).decode()
LONG = "x" * 10_001

TOO_COSTLY: list[tuple[dict[str, Any], str]] = [
    ({"allowed_token_ids": list(range(1025))}, "allowed_token_ids"),
    ({"allowed_token_ids": [[1]]}, "allowed_token_ids"),
    ({"allowed_token_ids": [10**30]}, "allowed_token_ids"),
    ({"logit_bias": {str(n): 1 for n in range(1025)}}, "logit_bias"),
    ({"logit_bias": {"1" * 1001: 1}}, "logit_bias"),
    ({"logit_bias": {"1": [1]}}, "logit_bias"),
    ({"bad_words": ["a"] * 5}, "bad_words"),
    ({"stop_token_ids": [1] * 5}, "stop_token_ids"),
    ({"stop_token_ids": [-(10**30)]}, "stop_token_ids"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": DEEP}}},
        "response_format",
    ),
    ({"response_format": {"type": "json_object", "x": LONG}}, "response_format"),
    ({"structured_outputs": {"json": DEEP}}, "structured_outputs"),
    ({"structured_outputs": {"json": DEEP_TEXT}}, "structured_outputs"),
    ({"structured_outputs": {"regex": LONG}}, "structured_outputs"),
    ({"structured_outputs": {"regex": "(" * 100 + "a" + ")" * 100}}, "structured_outputs"),
    ({"structured_outputs": {"grammar": "root ::= " + "(" * 100 + '"a"' + ")" * 100}}, "structured_outputs"),
    ({"structured_outputs": {"choice": ["a" * 100] * 100}}, "structured_outputs"),
    ({"structured_outputs": {"structural_tag": DEEP_TEXT}}, "structured_outputs"),
    ({"guided_json": DEEP}, "guided_json"),
    ({"guided_json": DEEP_TEXT}, "guided_json"),
    ({"guided_regex": LONG}, "guided_regex"),
    ({"guided_regex": "(" * 100 + "a" + ")" * 100}, "guided_regex"),
    ({"guided_grammar": LONG}, "guided_grammar"),
    ({"guided_choice": ["a" * 100] * 100}, "guided_choice"),
    ({"guided_whitespace_pattern": LONG}, "guided_whitespace_pattern"),
    ({"tool_choice": {"type": "allowed_tools", "allowed_tools": DEEP}}, "tool_choice"),
    ({"tools": [tool(description="x" * 6000)] * 4}, "tools"),
    ({"tools": [tool(parameters=DEEP)]}, "tools"),
    ({"tools": {"0": tool()}}, "tools"),
    ({"tools": [[tool()]]}, "tools"),
    ({"functions": [{"name": "f", "description": "x" * 20_000}]}, "functions"),
    ({"functions": [{"name": "f", "parameters": DEEP}]}, "functions"),
    ({"tools": [tool(description="x" * 12_000)], "functions": [{"name": "x" * 12_000}]}, "tools"),
    ({"documents": [DEEP]}, "documents"),
    ({"repetition_detection": {"max_pattern_size": 10**6, "min_count": 2}}, "repetition_detection"),
    ({"repetition_detection": {"max_pattern_size": 2, "min_count": -1}}, "repetition_detection"),
    ({"repetition_detection": [1]}, "repetition_detection"),
    ({"min_tokens": 1001}, "min_tokens"),
    ({"thinking_token_budget": 10**30}, "thinking_token_budget"),
    ({"truncate_prompt_tokens": -(10**30)}, "truncate_prompt_tokens"),
    ({"metadata": {"a": LONG}}, "metadata"),
    ({"something_new": DEEP}, "something_new"),
    ({"something_new": LONG}, "something_new"),
    ({"something_new": 10**30}, "something_new"),
    ({"extra_body": {"guided_json": DEEP}}, "extra_body"),
]


@pytest.mark.parametrize(("fields", "param"), TOO_COSTLY)
def test_what_costs_the_engine_too_much_is_refused_before_it(
    web: httpx.Client, reached: list[object], fields: dict[str, Any], param: str
) -> None:
    answer = web.post("/v1/chat/completions", json={"messages": HELLO, **fields})

    assert (answer.status_code, error_of(answer)["param"]) == (400, param)
    assert len(answer.content) < 500
    assert reached == []


@pytest.mark.parametrize(
    "prompt", [[["a"]], [[[1]]], [1, "a", 2], [1, [2]], {"a": 1}, [{"prompt_token_ids": [1]}], 5, [None]]
)
def test_prompt_is_texts_or_tokens(web: httpx.Client, reached: list[object], prompt: object) -> None:
    answer = web.post("/v1/completions", json={"prompt": prompt})

    assert (answer.status_code, error_of(answer)["param"]) == (400, "prompt")
    assert reached == []


@pytest.mark.parametrize("value", [{"video": {"num_frames": -1}}, {"max_pixels": 10**12}, [1], "x", True, 1])
@pytest.mark.parametrize("name", OPERATORS_FIELDS)
def test_field_that_decides_the_cost_is_the_operators_to_open(
    web: httpx.Client, reached: list[object], name: str, value: object
) -> None:
    answer = web.post("/v1/chat/completions", json={"messages": HELLO, name: value})

    assert (answer.status_code, error_of(answer)["param"]) == (400, name)
    assert reached == []


@pytest.mark.parametrize("name", OPERATORS_FIELDS)
def test_field_that_the_operator_opened_passes_within_its_size(name: str) -> None:
    config = RequestConfig(engine_fields=(name,))

    assert apply_caps({name: {"a": 1}}, GENERATION_CAPS, config) == {name: {"a": 1}}
    with pytest.raises(InvalidRequest):
        apply_caps({name: {"a": "x" * 70_000}}, GENERATION_CAPS, config)


@pytest.mark.parametrize(
    "name", ["user", "session_id", "safety_identifier", "prompt_cache_key", "previous_response_id"]
)
def test_id_has_128_characters_at_most(
    web: httpx.Client, reached: list[object], recording_engine: ScriptedEngine, name: str
) -> None:
    longest, longer = "가" * 128, "가" * 129

    refused = web.post("/v1/chat/completions", json={"messages": HELLO, name: longer})
    assert (refused.status_code, error_of(refused)["param"]) == (400, name)
    assert reached == []

    assert web.post("/v1/chat/completions", json={"messages": HELLO, name: longest}).status_code == 200
    assert recording_engine.received[0][name] == longest


def test_request_has_so_many_fields_at_most(web: httpx.Client, reached: list[object]) -> None:
    many = {f"field_{n}": 1 for n in range(128)}

    assert web.post("/v1/chat/completions", json={"messages": HELLO, **many}).status_code == 400
    assert web.post("/v1/chat/completions", json={"messages": HELLO, "x" * 129: 1}).status_code == 400
    assert reached == []


def test_ordinary_request_of_an_agent_passes_unchanged(
    web: httpx.Client, recording_engine: ScriptedEngine
) -> None:
    fields: dict[str, Any] = {
        "tools": [tool(description=r"smiles :( and says `\(\(\(`", parameters=nested(10))],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": nested(10)}},
        "logit_bias": {"50256": -100},
        "allowed_token_ids": list(range(1024)),
        "documents": [{"title": "t", "text": "((((" * 5000}],
        "repetition_detection": {"max_pattern_size": 30, "min_pattern_size": 5, "min_count": 2},
        "thinking_token_budget": -1,
        "truncate_prompt_tokens": -1,
        "top_k": -1,
        "use_beam_search": False,
        "mm_processor_kwargs": None,
        "seed": 2**63 - 1,
        "user": "somebody",
    }
    recording_engine.received.clear()

    answer = web.post("/v1/chat/completions", json={"messages": HELLO, **fields})

    assert answer.status_code == 200
    assert recording_engine.received[0].items() >= fields.items()


@pytest.mark.parametrize(
    ("value", "depth"),
    [
        ("a", 0),
        ([], 1),
        ({"a": [1, {"b": []}]}, 4),
        ("((a)(b))", 2),
        (r"\(\(\(\(a", 0),
        (["((a))"], 3),
        ({"a": '{"b": {"c": 1}}'}, 3),
    ],
)
def test_depth_counts_containers_and_the_brackets_of_texts(value: object, depth: int) -> None:
    assert not is_nested_deeper(value, depth, counts_texts=True)
    assert depth == 0 or is_nested_deeper(value, depth - 1, counts_texts=True)
