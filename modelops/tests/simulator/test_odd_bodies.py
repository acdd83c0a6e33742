"""Bodies whose parts have other types than they should: refused, never a failure of the engine."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from modelops.tests.simulator.wire_helpers import CHAT, ask, chat_body

RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
ODD_PARTS: tuple[Any, ...] = (None, 5, [], [[5]], True)


def said(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def list_bodies(part: Any) -> list[tuple[str, dict[str, Any]]]:
    """One body for each place where `part` does not belong."""
    message = {"model": "chat-a", "max_tokens": 5}
    return [
        (CHAT, {"messages": [said([part])]}),
        (CHAT, {"messages": [part]}),
        (CHAT, chat_body(tools=[{"type": "function", "function": [part]}])),
        (CHAT, chat_body(response_format=[part])),
        (RESPONSES, {"input": [said([part])]}),
        (RESPONSES, {"input": [part]}),
        (RESPONSES, {"input": "x", "include": {"a": part}}),
        (RESPONSES, {"input": "x", "presence_penalty": [part]}),
        (MESSAGES, {**message, "messages": [part]}),
        (MESSAGES, {**message, "messages": [said([{"type": "image", "source": [part]}])]}),
        ("/rerank", {"query": "x", "documents": [[part]]}),
        ("/v1/embeddings", {"messages": [{"content": part}]}),
        ("/tokenize", {"messages": [said([part])]}),
        ("/detokenize", {"tokens": [[part]]}),
        ("/v1/chat/completions/batch", {"messages": [[part]]}),
    ]


@pytest.mark.parametrize("part", ODD_PARTS)
async def test_an_odd_part_is_refused_wherever_it_stands(
    agent_engine: aiohttp.ClientSession, part: Any
) -> None:
    answers = [(path, body, (await ask(agent_engine, body, path))[0]) for path, body in list_bodies(part)]

    assert [answer for answer in answers if answer[2] != 400] == []
