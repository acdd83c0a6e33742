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


def response_object(status: str = "completed", text: str = "", **fields: Any) -> dict[str, Any]:
    """A response as vLLM describes it, without `store`."""
    part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": None}
    output = [
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    ]
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9, **details}
    return {
        **{"id": "resp_engine", "created_at": 1, "object": "response", "model": "scripted"},
        **{"incomplete_details": None, "instructions": None, "metadata": None, "status": status},
        "output": output if text else [],
        **{"parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "none", "tools": [], "top_p": 1.0},
        **{"background": False, "max_output_tokens": 16, "previous_response_id": None},
        **{"service_tier": "auto", "truncation": "disabled", "usage": usage if text else None},
        **fields,
    }


def response_events(*texts: str, status: str = "completed") -> list[bytes]:
    """A response as vLLM streams it."""
    number = iter(range(100))

    def event(kind: str, **fields: Any) -> bytes:
        return typed_event(f"response.{kind}", sequence_number=next(number), **fields)

    begun = response_object("in_progress")
    whole = response_object(status, "".join(texts))
    place = {"output_index": 0, "item_id": "msg_1"}
    part: dict[str, Any] = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    return [
        event("created", response=begun),
        event("in_progress", response=begun),
        event(
            "output_item.added",
            output_index=0,
            item={"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress"},
        ),
        event("content_part.added", **place, content_index=0, part=part),
        *(event("output_text.delta", **place, content_index=0, delta=text, logprobs=[]) for text in texts),
        event("output_text.done", **place, content_index=0, text="".join(texts), logprobs=[]),
        event("content_part.done", **place, content_index=0, part=part),
        event("output_item.done", output_index=0, item=whole["output"][0]),
        event("completed", response=whole),
    ]


class EventReader:
    """Reads a stream that is running, event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next_event(self) -> dict[str, Any] | None:
        """None at the end."""
        for line in self._lines:
            if line.startswith("data: "):
                event: dict[str, Any] = json.loads(line.removeprefix("data: "))
                return event
        return None

    def read_until(self, kind: str) -> dict[str, Any]:
        while (event := self.next_event()) is not None:
            if event["type"] == kind:
                return event
        raise AssertionError(f"the stream ended before {kind}")
