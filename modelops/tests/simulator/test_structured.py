"""Answers whose form the request decides."""

from __future__ import annotations

import json
import re
from typing import Any

import aiohttp
import pytest

from modelops.tests.simulator.wire_helpers import ask, chat_body, joined_content, stream_events

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 5}}, "required": ["n"]}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


async def ask_text(engine: aiohttp.ClientSession, **fields: Any) -> str:
    _, body = await ask(engine, chat_body(**fields))
    text: str = body["choices"][0]["message"]["content"]
    return text


async def test_a_schema_is_followed_in_every_way_of_asking(agent_engine: aiohttp.ClientSession) -> None:
    answers = [
        await ask_text(agent_engine, response_format=JSON_SCHEMA),
        await ask_text(agent_engine, structured_outputs={"json": SCHEMA}),
        await ask_text(agent_engine, structured_outputs={"json": json.dumps(SCHEMA)}),
        joined_content(await stream_events(agent_engine, chat_body(response_format=JSON_SCHEMA))),
    ]

    assert [json.loads(answer) for answer in answers] == [{"n": 5}] * 4


async def test_a_choice_and_an_expression_are_followed(agent_engine: aiohttp.ClientSession) -> None:
    chosen = await ask_text(agent_engine, structured_outputs={"choice": ["red", "blue"]})
    matched = await ask_text(agent_engine, structured_outputs={"regex": r"[A-Z]{2}\d{3}"})

    assert chosen in ("red", "blue")
    assert re.fullmatch(r"[A-Z]{2}\d{3}", matched)


async def test_text_completions_follow_a_form_too(agent_engine: aiohttp.ClientSession) -> None:
    request = {"prompt": ["one", "two"], "structured_outputs": {"choice": ["yes"]}, "max_tokens": 20}

    _, body = await ask(agent_engine, request, "/v1/completions")

    assert [(choice["index"], choice["text"]) for choice in body["choices"]] == [(0, "yes"), (1, "yes")]


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (
            {"choice": ["a"], "regex": "a"},
            "You can only use one kind of constraints for structured outputs ('json', 'regex' or 'choice').",
        ),
        ({}, "You must use one kind of structured outputs constraint but none are specified"),
        ({"choice": []}, "Choice '[]' cannot be an empty list"),
        ({"json": "{"}, "Invalid JSON grammar specification."),
        (
            {"grammar": "root ::= x"},
            "The simulated engine does not follow this grammar. (parameter=structured_outputs.grammar)",
        ),
    ],
)
async def test_a_form_that_cannot_be_followed_is_refused(
    agent_engine: aiohttp.ClientSession, constraint: dict[str, Any], message: str
) -> None:
    status, body = await ask(agent_engine, chat_body(structured_outputs=constraint))

    assert (status, body["error"]["message"]) == (400, message)
