"""vLLM's response shapes, byte for byte in field order (recorded from vLLM 0.32).

Streams are written by hand around the one part that changes per token, because a test at
5,000 tokens a second must not be limited by JSON encoding.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from modelops.simulator.errors import ApiError
from modelops.simulator.generation import DeltaField, GeneratedChoice, GeneratedToken, ToolCall
from modelops.simulator.pacing import Token
from modelops.simulator.sampling import Streaming

DONE = b"data: [DONE]\n\n"
_json = msgspec.json.encode


class Meta(msgspec.Struct, frozen=True):
    """What every part of one response repeats."""

    request_id: str
    created: int
    model: str
    fingerprint: str
    prompt_tokens: int
    reports_reasoning: bool


class StreamWire(Protocol):
    """How one endpoint writes the events of a stream."""

    opens_at_once: bool
    """Whether the opening events come before the first token is there, rather than with it."""

    def opening(self, choices: Sequence[GeneratedChoice]) -> bytes:
        """Events before the first token."""

    def token(self, token: Token) -> bytes:
        """The events of one token."""

    def closing(self, choices: Sequence[GeneratedChoice]) -> bytes:
        """Events after the last token, to the very end of the stream."""

    def failing(self, error: ApiError) -> bytes:
        """The events that end a stream that failed; empty where the connection is cut instead."""


def _usage(meta: Meta, *, completion_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": meta.prompt_tokens,
        "total_tokens": meta.prompt_tokens + completion_tokens,
        "completion_tokens": completion_tokens,
    }


def _reasoning_details(meta: Meta, reasoning_tokens: int) -> dict[str, int] | None:
    return {"reasoning_tokens": reasoning_tokens} if meta.reports_reasoning else None


def full_usage(meta: Meta, choices: Sequence[GeneratedChoice]) -> dict[str, Any]:
    """``usage`` of a response that is not streamed: details are null unless known."""
    return {
        **_usage(meta, completion_tokens=sum(len(choice.steps) for choice in choices)),
        "prompt_tokens_details": None,
        "completion_tokens_details": _reasoning_details(
            meta, sum(choice.reasoning_tokens for choice in choices)
        ),
    }


def _final_usage(meta: Meta, choices: Sequence[GeneratedChoice]) -> dict[str, Any]:
    usage = full_usage(meta, choices)
    return {name: value for name, value in usage.items() if value is not None}


def _event(payload: dict[str, Any]) -> bytes:
    return b"data: " + _json(payload) + b"\n\n"


class _EventWire:
    """What chat and text events share: the head, the tail and the usage event."""

    object_name: str
    opens_at_once = False

    def __init__(self, meta: Meta, streaming: Streaming) -> None:
        self.meta = meta
        self.include_usage = streaming.include_usage
        self.continuous_usage = streaming.continuous_usage
        self._fingerprint = (
            b"" if streaming.include_usage else b',"system_fingerprint":' + _json(meta.fingerprint)
        )
        self._head = _json(self._envelope())[:-1] + b',"choices":[{"index":'

    def _envelope(self) -> dict[str, Any]:
        return {
            "id": self.meta.request_id,
            "object": self.object_name,
            "created": self.meta.created,
            "model": self.meta.model,
        }

    def _write(self, index: int, *, choice: bytes, usage: bytes, tail: bytes) -> bytes:
        return b"".join((b"data: ", self._head, b"%d," % index, choice, b"}]", usage, tail, b"}\n\n"))

    def _tail(self, token: Token) -> bytes:
        return self._fingerprint if token.is_last else b""

    def closing(self, choices: Sequence[GeneratedChoice]) -> bytes:
        """The usage, where it was asked for, and the mark of the end."""
        return (self._usage_event(choices) if self.include_usage else b"") + DONE

    def failing(self, error: ApiError) -> bytes:
        """vLLM writes an error within a stream with Python's spaced JSON."""
        return f"data: {json.dumps(error.payload())}\n\n".encode() + DONE

    def _usage_event(self, choices: Sequence[GeneratedChoice]) -> bytes:
        return _event(
            {
                **self._envelope(),
                "choices": [],
                "usage": _final_usage(self.meta, choices),
                "system_fingerprint": self.meta.fingerprint,
            }
        )


def _finish(token: Token) -> tuple[bytes, bytes]:
    """``finish_reason`` and ``stop_reason`` as JSON."""
    if not token.is_last:
        return b"null", b"null"
    return _json(token.choice.finish_reason), _json(token.choice.stop_reason)


class ChatWire(_EventWire):
    """Events of a streamed chat completion."""

    object_name = "chat.completion.chunk"

    def _continuous(self, completion_tokens: int, reasoning_tokens: int) -> bytes:
        if not self.continuous_usage:
            return b""
        usage = _usage(self.meta, completion_tokens=completion_tokens)
        details = _reasoning_details(self.meta, reasoning_tokens)
        return b',"usage":' + _json({**usage, "completion_tokens_details": details})

    def opening(self, choices: Sequence[GeneratedChoice]) -> bytes:
        """One role event per choice."""
        role = b'"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null'
        tail = b',"prompt_token_ids":null,"prompt_text":null'
        usage = self._continuous(0, 0)
        return b"".join(self._write(c.index, choice=role, usage=usage, tail=tail) for c in choices)

    def token(self, token: Token) -> bytes:
        finish, stop = _finish(token)
        parts = [b'"delta":', _chat_delta(token), b',"logprobs":null,"finish_reason":', finish]
        if token.is_last:
            parts += [b',"stop_reason":', stop]
        parts.append(b',"token_ids":null')
        reasoning = min(token.number, token.choice.reasoning_tokens) if self.continuous_usage else 0
        usage = self._continuous(token.number, reasoning)
        return self._write(token.choice.index, choice=b"".join(parts), usage=usage, tail=self._tail(token))


def _chat_delta(token: Token) -> bytes:
    step, choice = token.step, token.choice
    if step.delta is DeltaField.REASONING:
        return b'{"reasoning":' + _json(step.text) + b"}"
    if step.delta is DeltaField.CONTENT:
        is_end_of_calls = choice.has_tool_parser and choice.tool_calls and not step.text
        return b"{}" if is_end_of_calls else b'{"content":' + _json(step.text) + b"}"
    # A parser of calls writes out that there is no content beside them.
    content = {"content": None} if choice.has_tool_parser else {}
    return _json({**content, "tool_calls": [_tool_delta(choice, step)]})


def _tool_delta(choice: GeneratedChoice, step: GeneratedToken) -> dict[str, Any]:
    """Id and name come first; a parser sends them without the arguments' beginning."""
    call = next((each for each in choice.tool_calls if each.index == step.call), None)
    if step.delta is DeltaField.TOOL_NAME and call is not None:
        function = {"name": step.text} if choice.has_tool_parser else {"name": step.text, "arguments": ""}
        return {"id": call.id, "type": "function", "index": step.call, "function": function}
    return {"index": step.call, "function": {"arguments": step.text}}


class TextWire(_EventWire):
    """Events of a streamed text completion, which has no opening event."""

    object_name = "text_completion"

    def opening(self, choices: Sequence[GeneratedChoice]) -> bytes:
        return b""

    def token(self, token: Token) -> bytes:
        finish, stop = _finish(token)
        text = _json(token.step.text)
        parts = (b'"text":', text, b',"logprobs":null,"finish_reason":', finish, b',"stop_reason":', stop)
        choice = b"".join((*parts, b',"prompt_token_ids":null,"token_ids":null'))
        usage = b""
        if self.continuous_usage:
            usage = b',"usage":' + _json(_usage(self.meta, completion_tokens=token.number))
        return self._write(token.choice.index, choice=choice, usage=usage, tail=self._tail(token))


def chat_completion(meta: Meta, choices: Sequence[GeneratedChoice]) -> bytes:
    """The body of a chat completion that is not streamed."""
    return _json(
        {
            "id": meta.request_id,
            "object": "chat.completion",
            "created": meta.created,
            "model": meta.model,
            "choices": [_chat_choice(choice) for choice in choices],
            "service_tier": None,
            "system_fingerprint": meta.fingerprint,
            "usage": full_usage(meta, choices),
            "prompt_logprobs": None,
            "prompt_token_ids": None,
            "prompt_text": None,
            "kv_transfer_params": None,
            "ec_transfer_params": None,
            "metrics": None,
        }
    )


def _chat_choice(choice: GeneratedChoice) -> dict[str, Any]:
    return {
        "index": choice.index,
        "message": _message(choice),
        "logprobs": None,
        "finish_reason": choice.finish_reason,
        "stop_reason": choice.stop_reason,
        "token_ids": None,
        "routed_experts": None,
    }


def _message(choice: GeneratedChoice) -> dict[str, Any]:
    reasoning = choice.text(DeltaField.REASONING) or None
    content: str | None = choice.text(DeltaField.CONTENT)
    if not content and (reasoning or choice.has_free_calls):
        content = None
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    message |= {"annotations": None, "audio": None, "function_call": None}
    if choice.tool_calls:
        message["tool_calls"] = [_whole_call(choice, call) for call in choice.tool_calls]
    return {**message, "reasoning": reasoning}


def _whole_call(choice: GeneratedChoice, call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": choice.arguments_of(call)}
    return {"id": call.id, "type": "function", "function": function}


def text_completion(meta: Meta, choices: Sequence[GeneratedChoice], *, echo: Sequence[str]) -> bytes:
    """The body of a text completion; ``echo`` holds the text before each choice, or ""."""
    return _json(
        {
            "id": meta.request_id,
            "object": "text_completion",
            "created": meta.created,
            "model": meta.model,
            "choices": [
                _text_choice(choice, before + choice.text(DeltaField.CONTENT))
                for choice, before in zip(choices, echo, strict=True)
            ],
            "service_tier": None,
            "system_fingerprint": meta.fingerprint,
            "usage": full_usage(meta, choices),
            "kv_transfer_params": None,
            "ec_transfer_params": None,
            "metrics": None,
        }
    )


def _text_choice(choice: GeneratedChoice, text: str) -> dict[str, Any]:
    return {
        "index": choice.index,
        "text": text,
        "logprobs": None,
        "finish_reason": choice.finish_reason,
        "stop_reason": choice.stop_reason,
        "token_ids": None,
        "prompt_logprobs": None,
        "prompt_token_ids": None,
        "routed_experts": None,
    }
