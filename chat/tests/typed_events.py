"""Streams with typed events as vLLM writes them: Anthropic's messages and OpenAI's responses."""

from __future__ import annotations

import json
from typing import Any

import httpx


def typed_event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def read_events(response: httpx.Response) -> list[dict[str, Any]]:
    """The events of a stream, whose names have to be their types."""
    events = []
    for block in response.text.removesuffix("\n\n").split("\n\n"):
        if block.startswith(":"):
            continue
        name, _, data = block.partition("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def message_events(*texts: str, stop_reason: str = "end_turn", cached: int = 0) -> list[bytes]:
    """A message of Anthropic's: a block of text, and usage of 7 tokens for the prompt."""
    start = {
        **{"id": "chatcmpl-1", "type": "message", "role": "assistant", "content": [], "model": "scripted"},
        **{"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 0}},
    }
    usage = {"input_tokens": 7 - cached, "output_tokens": len(texts), "cache_read_input_tokens": cached}
    return [
        typed_event("message_start", message=start),
        typed_event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(
            typed_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
            for text in texts
        ),
        typed_event("content_block_stop", index=0),
        typed_event("message_delta", delta={"stop_reason": stop_reason, "stop_sequence": None}, usage=usage),
        typed_event("message_stop"),
    ]
