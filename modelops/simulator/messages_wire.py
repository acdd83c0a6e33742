"""Anthropic's objects and events as vLLM 0.32 writes them: blocks that are opened, filled and closed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from modelops.simulator.errors import ApiError
from modelops.simulator.generation import DeltaField, GeneratedChoice
from modelops.simulator.pacing import Token
from modelops.simulator.wire import Meta

_KINDS = {
    DeltaField.REASONING: "thinking",
    DeltaField.CONTENT: "text",
    DeltaField.TOOL_NAME: "tool_use",
    DeltaField.TOOL_ARGUMENTS: "tool_use",
}
_DELTAS = {
    "thinking": ("thinking_delta", "thinking"),
    "text": ("text_delta", "text"),
    "tool_use": ("input_json_delta", "partial_json"),
}


def write_message(meta: Meta, choice: GeneratedChoice) -> bytes:
    """The body of a message that is not streamed; what is null is left out."""
    reason, sequence = _find_stop_reason(choice)
    message = {
        "id": meta.request_id,
        "type": "message",
        "role": "assistant",
        "content": _list_blocks(choice) or [{"type": "text", "text": ""}],
        "model": meta.model,
        "stop_reason": reason,
        **({"stop_sequence": sequence} if sequence is not None else {}),
        "usage": _write_usage(meta, len(choice.steps)),
    }
    return msgspec.json.encode(message)


def write_error(error: ApiError) -> bytes:
    """A refusal in Anthropic's shape, with the type that vLLM gives it."""
    return msgspec.json.encode({"type": "error", "error": {"type": error.kind, "message": error.message}})


def _write_usage(meta: Meta, output_tokens: int) -> dict[str, int]:
    return {"input_tokens": meta.prompt_tokens, "output_tokens": output_tokens}


def _find_stop_reason(choice: GeneratedChoice) -> tuple[str, str | None]:
    if choice.finish_reason == "length":
        return "max_tokens", None
    if choice.tool_calls:
        return "tool_use", None
    return ("stop_sequence", choice.stop_reason) if choice.stop_reason is not None else ("end_turn", None)


def _list_blocks(choice: GeneratedChoice) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if thinking := choice.text(DeltaField.REASONING):
        blocks.append({"type": "thinking", "thinking": thinking, "signature": secrets.token_hex(16)})
    if text := choice.text(DeltaField.CONTENT):
        blocks.append({"type": "text", "text": text})
    for call in choice.tool_calls:
        given = _read_arguments(choice.arguments_of(call))
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": given})
    return blocks


def _read_arguments(arguments: str) -> Any:
    """Raises ApiError 400 for a call that was cut, as vLLM refuses what it cannot read."""
    try:
        return json.loads(arguments)
    except ValueError as exc:
        raise ApiError(str(exc)) from exc


class MessagesWire:
    """Events of a streamed message; after `message_stop` nothing comes."""

    opens_at_once = False

    def __init__(self, meta: Meta) -> None:
        self.meta = meta
        self._index = 0
        self._kind: tuple[str, int] | None = None

    def opening(self, choices: Sequence[GeneratedChoice]) -> bytes:
        message: dict[str, Any] = {
            "id": self.meta.request_id,
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": self.meta.model,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _write_usage(self.meta, 0),
        }
        return _event("message_start", message=message)

    def token(self, token: Token) -> bytes:
        step = token.step
        if step.delta is DeltaField.CONTENT and not step.text:
            return b""
        kind = (_KINDS[step.delta], step.call)
        events = b"" if kind == self._kind else self._close() + self._open(kind, token.choice)
        if step.delta is DeltaField.TOOL_NAME:
            return events
        delta_type, field = _DELTAS[kind[0]]
        return events + self._write_delta({"type": delta_type, field: step.text})

    def closing(self, choices: Sequence[GeneratedChoice]) -> bytes:
        (choice,) = choices
        reason, sequence = _find_stop_reason(choice)
        end = _event(
            "message_delta",
            delta={"stop_reason": reason, "stop_sequence": sequence},
            usage=_write_usage(self.meta, len(choice.steps)),
        )
        return self._close() + end + _event("message_stop")

    def failing(self, error: ApiError) -> bytes:
        return _event("error", error={"type": "internal_error", "message": error.message})

    def _open(self, kind: tuple[str, int], choice: GeneratedChoice) -> bytes:
        self._kind = kind
        block: dict[str, Any] = {"type": kind[0]}
        if kind[0] == "tool_use":
            call = choice.tool_calls[kind[1]]
            block |= {"id": call.id, "name": call.name, "input": {}}
        else:
            block[_DELTAS[kind[0]][1]] = ""
        return _event("content_block_start", content_block=block, index=self._index)

    def _close(self) -> bytes:
        if self._kind is None:
            return b""
        kind, self._kind = self._kind[0], None
        signature = {"type": "signature_delta", "signature": secrets.token_hex(16)}
        events = self._write_delta(signature) if kind == "thinking" else b""
        events += _event("content_block_stop", index=self._index)
        self._index += 1
        return events

    def _write_delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", delta=delta, index=self._index)


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode({"type": kind, **fields}) + b"\n\n"
