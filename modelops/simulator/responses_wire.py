"""The objects and events of ``/v1/responses``, in vLLM's field order (read in vLLM 0.32).

A stream has no ``[DONE]``: its last event is ``response.completed``. One that fails is cut, as vLLM's is.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from modelops.simulator.errors import ApiError
from modelops.simulator.generation import DeltaField, GeneratedChoice, ToolCall
from modelops.simulator.pacing import Token
from modelops.simulator.wire import Meta

_KINDS = {
    DeltaField.REASONING: "reasoning",
    DeltaField.CONTENT: "message",
    DeltaField.TOOL_NAME: "function_call",
    DeltaField.TOOL_ARGUMENTS: "function_call",
}
_Item = dict[str, Any]


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(8)}"


class ResponseWriter:
    """Writes the response object of one request, at whatever stage."""

    def __init__(self, meta: Meta, repeated: Mapping[str, Any], *, max_output_tokens: int) -> None:
        self.meta = meta
        self._repeated = repeated
        self._max_output_tokens = max_output_tokens

    def write(
        self, status: str, output: Sequence[_Item] = (), choice: GeneratedChoice | None = None
    ) -> dict[str, Any]:
        said = self._repeated
        is_cut = status == "incomplete"
        return {
            "id": self.meta.request_id,
            "created_at": self.meta.created,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            **{name: said[name] for name in ("instructions", "metadata")},
            "model": self.meta.model,
            "object": "response",
            "output": list(output),
            **{name: said[name] for name in ("parallel_tool_calls", "temperature", "tool_choice", "tools")},
            **{name: said[name] for name in ("top_p", "background")},
            "max_output_tokens": self._max_output_tokens,
            "max_tool_calls": said["max_tool_calls"],
            "previous_response_id": None,
            "prompt": None,
            **{name: said[name] for name in ("reasoning", "service_tier")},
            "status": status,
            "text": said["text"],
            "top_logprobs": None,
            "truncation": said["truncation"],
            "usage": None if choice is None else _write_usage(self.meta, choice),
            **{name: said[name] for name in ("user", "presence_penalty", "frequency_penalty")},
            "kv_transfer_params": None,
            "ec_transfer_params": None,
            "input_messages": None,
            "output_messages": None,
        }

    def write_whole(self, choice: GeneratedChoice) -> bytes:
        """The body of a response that is not streamed."""
        return msgspec.json.encode(self.write(_find_status(choice), list(_list_items(choice)), choice))


def _find_status(choice: GeneratedChoice) -> str:
    return "incomplete" if choice.finish_reason == "length" else "completed"


def _write_usage(meta: Meta, choice: GeneratedChoice) -> dict[str, Any]:
    generated = len(choice.steps)
    return {
        "input_tokens": meta.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": 0,
            "cache_write_tokens": 0,
            "input_tokens_per_turn": [],
            "cached_tokens_per_turn": [],
        },
        "output_tokens": generated,
        "output_tokens_details": {
            "reasoning_tokens": choice.reasoning_tokens,
            "tool_output_tokens": 0,
            "output_tokens_per_turn": [],
            "tool_output_tokens_per_turn": [],
        },
        "total_tokens": meta.prompt_tokens + generated,
    }


def _list_items(choice: GeneratedChoice) -> Iterator[_Item]:
    """The items of a whole answer; the status of its reasoning is null, unlike in a stream."""
    if reasoning := choice.text(DeltaField.REASONING):
        yield write_reasoning(new_id("rs"), reasoning, status=None)
    if content := choice.text(DeltaField.CONTENT):
        yield write_message(new_id("msg"), content, status="completed")
    for call in choice.tool_calls:
        yield write_call(new_id("fc"), call, choice.arguments_of(call), status="completed")


def write_reasoning(item_id: str, text: str | None, *, status: str | None) -> _Item:
    content = None if text is None else [{"text": text, "type": "reasoning_text"}]
    return {
        "id": item_id,
        "summary": [],
        "type": "reasoning",
        "content": content,
        "encrypted_content": None,
        "status": status,
    }


def write_message(item_id: str, text: str, *, status: str) -> _Item:
    content = [write_text_part(text)] if text else []
    return {
        "id": item_id,
        "content": content,
        "role": "assistant",
        "status": status,
        "type": "message",
        "phase": None,
    }


def write_text_part(text: str) -> _Item:
    return {"annotations": [], "text": text, "type": "output_text", "logprobs": None}


def write_call(item_id: str, call: ToolCall, arguments: str, *, status: str) -> _Item:
    return {
        "arguments": arguments,
        "call_id": call.id,
        "name": call.name,
        "type": "function_call",
        "id": item_id,
        "async": None,
        "caller": None,
        "namespace": None,
        "status": status,
    }


class ResponsesWire:
    """Events of a streamed response: one item after the other is opened, filled and closed."""

    opens_at_once = True

    def __init__(self, writer: ResponseWriter) -> None:
        self._writer = writer
        self._number = 0
        self._output: list[_Item] = []
        self._kind: tuple[str, int] | None = None
        self._item_id = ""
        self._call: ToolCall | None = None
        self._text = ""

    def opening(self, choices: Sequence[GeneratedChoice]) -> bytes:
        response = self._writer.write("in_progress")
        return b"".join(
            self._event(f"response.{name}", {"response": response}) for name in ("created", "in_progress")
        )

    def token(self, token: Token) -> bytes:
        step = token.step
        if step.delta is DeltaField.CONTENT and not step.text:
            return b""
        events = b""
        kind = (_KINDS[step.delta], step.call)
        if kind != self._kind:
            events += self._close() + self._open(kind, token.choice)
        if step.delta is DeltaField.TOOL_NAME:
            return events
        self._text += step.text
        return events + self._write_delta(step.delta, step.text)

    def closing(self, choices: Sequence[GeneratedChoice]) -> bytes:
        (choice,) = choices
        closed = self._close()
        response = self._writer.write(_find_status(choice), self._output, choice)
        return closed + self._event("response.completed", {"response": response})

    def failing(self, error: ApiError) -> bytes:
        return b""

    def _open(self, kind: tuple[str, int], choice: GeneratedChoice) -> bytes:
        self._kind, self._text = kind, ""
        if kind[0] == "function_call":
            self._item_id = new_id("fc")
            self._call = choice.tool_calls[kind[1]]
            return self._add_item(write_call(self._item_id, self._call, "", status="in_progress"))
        if kind[0] == "reasoning":
            self._item_id = new_id("rs")
            item = write_reasoning(self._item_id, None, status="in_progress")
            part: _Item = {"text": "", "type": "reasoning_text"}
        else:
            self._item_id = new_id("msg")
            item = write_message(self._item_id, "", status="in_progress")
            part = {**write_text_part(""), "logprobs": []}
        return self._add_item(item) + self._write_part("added", part)

    def _close(self) -> bytes:
        if self._kind is None:
            return b""
        kind, self._kind = self._kind[0], None
        if kind == "function_call" and self._call is not None:
            item = write_call(self._item_id, self._call, self._text, status="completed")
            events = self._event(
                "response.function_call_arguments.done",
                {"arguments": self._text, "name": self._call.name, **self._place()},
            )
        elif kind == "reasoning":
            item = write_reasoning(self._item_id, self._text, status="completed")
            events = self._event("response.reasoning_text.done", {"text": self._text, **self._place(0)})
            events += self._write_part("done", {"text": self._text, "type": "reasoning_text"})
        else:
            item = write_message(self._item_id, self._text, status="completed")
            events = self._event(
                "response.output_text.done", {"text": self._text, "logprobs": [], **self._place(0)}
            )
            events += self._write_part("done", write_text_part(self._text))
        events += self._event("response.output_item.done", {"item": item, "output_index": len(self._output)})
        self._output.append(item)
        return events

    def _write_delta(self, delta: DeltaField, text: str) -> bytes:
        if delta is DeltaField.TOOL_ARGUMENTS:
            return self._event("response.function_call_arguments.delta", {"delta": text, **self._place()})
        name = "reasoning_text" if delta is DeltaField.REASONING else "output_text"
        fields = {"delta": text, **self._place(0)}
        if delta is DeltaField.CONTENT:
            fields["logprobs"] = []
        return self._event(f"response.{name}.delta", fields)

    def _add_item(self, item: _Item) -> bytes:
        return self._event("response.output_item.added", {"item": item, "output_index": len(self._output)})

    def _write_part(self, stage: str, part: _Item) -> bytes:
        return self._event(f"response.content_part.{stage}", {**self._place(0), "part": part})

    def _place(self, content_index: int | None = None) -> dict[str, Any]:
        place: dict[str, Any] = {} if content_index is None else {"content_index": content_index}
        return {**place, "item_id": self._item_id, "output_index": len(self._output)}

    def _event(self, kind: str, fields: Mapping[str, Any]) -> bytes:
        """Fields are in the order of their names, but for the name of a function, which comes last."""
        numbered = {**fields, "sequence_number": self._number, "type": kind}
        payload = dict(sorted(numbered.items(), key=lambda field: (field[0] == "name", field[0])))
        self._number += 1
        return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(payload) + b"\n\n"
