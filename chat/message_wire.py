"""Anthropic's messages, as vLLM answers them (vllm/entrypoints/anthropic)."""

from __future__ import annotations

from typing import Any

import msgspec

from chat.odd_answers import NO_COMPLETION, is_error, null_constants, read_loosely
from chat.positions import EventIds
from chat.transcript import Delta, Transcript, Usage
from chat.typed_streams import TypedStreamReader, decode_event, raise_error
from chat.upstream import error_in_answer
from chat.whole_answers import Completion
from chat.wires import AnswerReader, Translate, Wire
from gateway.bodies import NOT_JSON
from gateway.envelopes import to_anthropic_envelope
from gateway.errors import GatewayError, UpstreamUnavailable


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None

    def add_up(self) -> Usage:
        """`input_tokens` counts what no cache held; the prompt is all three."""
        parts = (self.input_tokens, self.cache_read_input_tokens, self.cache_creation_input_tokens)
        return Usage(sum(part or 0 for part in parts), self.output_tokens)


class _Message(msgspec.Struct):
    id: str = ""
    usage: _Usage | None = None
    stop_reason: str | None = None


class _Delta(msgspec.Struct):
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Block(msgspec.Struct):
    type: str = ""
    id: str = ""
    name: str = ""


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None


class _Body(msgspec.Struct):
    type: str = ""
    usage: _Usage | None = None
    stop_reason: str | None = None
    error: Any = None


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_body = msgspec.json.Decoder(_Body).decode


class MessageStreamReader(TypedStreamReader):
    """Reads `message_start`, deltas of blocks, `message_delta` with stop reason and usage, `message_stop`."""

    def take(self, event: bytes, payload: bytes) -> bytes:
        said = decode_event(payload, _decode_event)
        if said is None:
            return event
        if said.error or said.type == "error":
            raise_error(payload)
        transcript = self.transcript
        if said.type == "content_block_delta" and said.delta is not None:
            self._add_piece(said.index, said.delta)
        elif said.type == "content_block_start" and said.content_block is not None:
            self._begin_block(said.index, said.content_block)
        elif said.type == "message_start" and said.message is not None:
            transcript.id = said.message.id
            if said.message.usage is not None:
                # Not yet the usage: what was generated is not counted in it.
                transcript.prompt_tokens = said.message.usage.add_up().prompt_tokens
        elif said.type == "message_delta":
            if said.delta is not None and said.delta.stop_reason:
                transcript.finish_reason = said.delta.stop_reason
            if said.usage is not None:
                transcript.usage = self._whole_usage(said.usage)
        elif said.type == "message_stop":
            return self.end(event)
        return event

    def _add_piece(self, index: int, delta: _Delta) -> None:
        if delta.partial_json:
            self.add(Delta(tool_calls=[{"index": index, "function": {"arguments": delta.partial_json}}]))
        elif delta.text or delta.thinking:
            self.add(Delta(content=delta.text, reasoning=delta.thinking))

    def _begin_block(self, index: int, block: _Block) -> None:
        if block.type == "tool_use":
            self.add(Delta(tool_calls=[{"index": index, "id": block.id, "function": {"name": block.name}}]))

    def _whole_usage(self, usage: _Usage) -> Usage:
        """With the prompt's tokens, which other servers than vLLM name at the beginning alone."""
        added = usage.add_up()
        return Usage(added.prompt_tokens or self.transcript.prompt_tokens, added.completion_tokens)


def read_message(body: bytes) -> Completion:
    """A whole message, or the count of a prompt's tokens. Raises what an error means in its place."""
    try:
        read = _decode_body(body)
    except NOT_JSON as exc:
        content = read_loosely(null_constants(body))
        if is_error(content):
            raise error_in_answer(content) from exc
        raise UpstreamUnavailable(NO_COMPLETION) from exc
    if read.error or read.type == "error":
        raise error_in_answer(read_loosely(body))
    is_unfinished = read.type == "message" and not read.stop_reason
    return Completion(body, read.usage.add_up() if read.usage else None, is_unfinished)


def _make_reader(transcript: Transcript, _keep_usage: bool, _ids: EventIds | None) -> AnswerReader:
    return MessageStreamReader(transcript)


def _say_error(error: GatewayError, translate: Translate) -> bytes:
    """As Anthropic says it in the middle of a stream; nothing follows it."""
    envelope = msgspec.json.encode(to_anthropic_envelope(error, translate))
    return b"event: error\ndata: " + envelope + b"\n\n"


MESSAGE_WIRE = Wire(make_reader=_make_reader, read_whole=read_message, say_error=_say_error)
