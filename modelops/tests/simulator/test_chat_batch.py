"""Several conversations in one request."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from modelops.tests.simulator.wire_helpers import ask

BATCH = "/v1/chat/completions/batch"


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def test_every_conversation_has_its_answer_in_order(agent_engine: aiohttp.ClientSession) -> None:
    _, alone = await ask(agent_engine, {"messages": said("two")})

    _, body = await ask(agent_engine, {"messages": [said("one"), said("two")]}, BATCH)

    assert [choice["index"] for choice in body["choices"]] == [0, 1]
    assert "“one”" in body["choices"][0]["message"]["content"]
    assert body["choices"][1]["message"]["content"] == alone["choices"][0]["message"]["content"]
    assert body["usage"]["prompt_tokens"] == 2 * alone["usage"]["prompt_tokens"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": said("one")}, "body.messages.0"),
        ({"messages": []}, "body.messages"),
        ({"messages": [said("one"), []]}, "body.messages.1"),
        ({"messages": [said("one")], "n": 2}, "n"),
        ({"messages": [said("one")], "use_beam_search": True}, "use_beam_search"),
    ],
)
async def test_what_is_no_batch_is_refused(
    agent_engine: aiohttp.ClientSession, fields: dict[str, Any], param: str
) -> None:
    status, body = await ask(agent_engine, fields, BATCH)

    assert (status, body["error"]["param"]) == (400, param)
