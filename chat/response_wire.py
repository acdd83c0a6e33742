"""OpenAI's responses, as vLLM answers them (vllm/entrypoints/openai/responses).

The engine keeps nothing of them: it does not know the id, what is stored, nor what went before. The gateway
writes these into the response object, and leaves every other value of it, and every other event, as it came.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw

from chat.odd_answers import NO_COMPLETION, is_error, null_constants, read_loosely
from chat.positions import EventIds
from chat.transcript import Delta, Transcript, Usage
from chat.typed_streams import TypedStreamReader, decode_event, raise_error
from chat.upstream import error_in_answer
from chat.whole_answers import GAVE_UP, Completion
from chat.wires import AnswerReader, Translate, Wire
from conversations.models import ResponseStatus
from conversations.response_ids import name_response
from gateway.bodies import NOT_JSON
from gateway.errors import GatewayError, UpstreamCause, UpstreamUnavailable, to_envelope
from gateway.ids import new_id

GOOD_ENDINGS = frozenset({"completed", "incomplete"})
"""Of these the answer is whole, or as long as it was to be. An engine that gave up says `cancelled`."""

LAST_EVENTS = frozenset({f"response.{status}" for status in (*GOOD_ENDINGS, "failed", "cancelled")})

TEXT_DELTA = "response.output_text.delta"

CALL_DELTAS = frozenset(
    {
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.code_interpreter_call_code.delta",
    }
)


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Facts(msgspec.Struct):
    """What the gateway reads of a response object."""

    object: str = ""
    status: str | None = None
    output: list[Raw] = []
    usage: _Usage | None = None
    error: Any = None


NOTHING = Raw()
ABSENT = (b"", b"null")


class _Item(msgspec.Struct):
    id: str = ""


class _Event(msgspec.Struct):
    type: str = ""
    sequence_number: int = -1
    output_index: int = 0
    delta: Any = None
    item: Raw = NOTHING
    response: Raw = NOTHING
    error: Any = None


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_facts = msgspec.json.Decoder(_Facts).decode
_decode_item = msgspec.json.Decoder(_Item).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode

_DELTAS: dict[str, Callable[[str], Delta]] = {
    TEXT_DELTA: lambda text: Delta(content=text),
    "response.refusal.delta": lambda text: Delta(refusal=text),
    "response.reasoning_text.delta": lambda text: Delta(reasoning=text),
    "response.reasoning_summary_text.delta": lambda text: Delta(reasoning=text),
}


@dataclass(slots=True)
class ResponseRecord:
    """One response while it is generated: what the gateway writes into it, and what is to be stored of it."""

    is_stored: bool = False
    previous_id: uuid.UUID | None = None
    """The response that this one goes on with."""
    id: uuid.UUID = field(default_factory=new_id)
    sequence_number: int = -1
    """Of the last event."""
    response: dict[str, Raw] = field(default_factory=dict)
    """The fields as they were told last; empty before the first event."""
    items: dict[int, Raw] = field(default_factory=dict)
    """The items of the output that are complete, by their place."""
    open_item: str = ""
    """The id of the one that is not, with its text."""
    open_text: list[str] = field(default_factory=list)

    def label(self, response: bytes | Raw) -> bytes:
        """The response object with its own id, whether it is stored, and what it goes on with."""
        fields = _decode_fields(response)
        fields["id"] = _raw(name_response(self.id))
        fields["store"] = _raw(self.is_stored)
        fields["previous_response_id"] = _raw(name_response(self.previous_id) if self.previous_id else None)
        self.response = fields
        return msgspec.json.encode(fields)

    @property
    def status(self) -> ResponseStatus:
        return ResponseStatus(msgspec.json.decode(self.response["status"], type=str))

    def cut(self, status: ResponseStatus, error: dict[str, str] | None) -> None:
        """The response as it is stored that ended early: what there is of its output, and why it ended."""
        output = [self.items[place] for place in sorted(self.items)]
        if text := "".join(self.open_text):
            content = [{"type": "output_text", "text": text, "annotations": []}]
            message = {"type": "message", "id": self.open_item, "role": "assistant", "content": content}
            output.append(_raw({**message, "status": "incomplete"}))
        self.response |= {"status": _raw(status), "error": _raw(error), "output": _raw(output)}

    def say_cut(self) -> bytes:
        """The last event of a response that was cancelled while its client still reads."""
        self.sequence_number += 1
        content = {"type": "response.incomplete", "sequence_number": self.sequence_number}
        event = msgspec.json.encode({**content, "response": self.response})
        return b"event: response.incomplete\ndata: " + event + b"\n\n"

    def make_wire(self) -> Wire:
        return Wire(make_reader=self._make_reader, read_whole=self.read_whole, say_error=self.say_error)

    def read_whole(self, body: bytes) -> Completion:
        """A response that comes as one document. Raises what an error means in its place."""
        try:
            facts = _decode_facts(body)
            labelled = self.label(body)
        except NOT_JSON as exc:
            content = read_loosely(null_constants(body))
            if is_error(content):
                raise error_in_answer(content) from exc
            raise UpstreamUnavailable(NO_COMPLETION) from exc
        check_facts(facts, body)
        return Completion(labelled, usage_of_facts(facts), is_unfinished=False)

    def say_error(self, error: GatewayError, translate: Translate) -> bytes:
        """The last event of a response that failed.

        The documentation has code, message and param in the event itself, the service and its SDKs, which
        raise it, under `error`: so they stand in both places.
        """
        described = to_envelope(error, translate)["error"]
        self.sequence_number += 1
        content = {
            **{"type": "error", "sequence_number": self.sequence_number},
            **{name: described[name] for name in ("code", "message", "param")},
            "error": described,
        }
        return b"event: error\ndata: " + msgspec.json.encode(content) + b"\n\n"

    def _make_reader(self, transcript: Transcript, _keep_usage: bool, _ids: EventIds | None) -> AnswerReader:
        return ResponseStreamReader(transcript, self)


class ResponseStreamReader(TypedStreamReader):
    """Reads deltas and complete items, and the events that carry the whole response object."""

    def __init__(self, transcript: Transcript, record: ResponseRecord) -> None:
        super().__init__(transcript)
        self._record = record

    def take(self, event: bytes, payload: bytes) -> bytes:
        said = decode_event(payload, _decode_event)
        if said is None:
            return event
        if said.error or said.type == "error":
            raise_error(payload)
        self._record.sequence_number = max(self._record.sequence_number, said.sequence_number)
        if bytes(said.response) not in ABSENT:
            return self._take_response(said.type, said.response, payload)
        if isinstance(said.delta, str) and said.delta:
            self._add_piece(said)
        elif bytes(said.item) not in ABSENT:
            self._take_item(said, said.item)
        return event

    def _add_piece(self, said: _Event) -> None:
        if (make_delta := _DELTAS.get(said.type)) is not None:
            self.add(make_delta(said.delta))
            if said.type == TEXT_DELTA:
                self._record.open_text.append(said.delta)
        elif said.type in CALL_DELTAS:
            self.add(Delta(tool_calls=[{"index": said.output_index, "function": {"arguments": said.delta}}]))

    def _take_item(self, said: _Event, item: Raw) -> None:
        record = self._record
        if said.type == "response.output_item.added":
            record.open_item = _decode_item(item).id
        elif said.type == "response.output_item.done":
            record.items[said.output_index] = item
            record.open_text.clear()

    def _take_response(self, kind: str, response: Raw, payload: bytes) -> bytes:
        """An event with the response object, which gets the gateway's fields."""
        fields = _decode_fields(payload)
        if kind in LAST_EVENTS:
            facts = _decode_facts(response)
            check_facts(facts, bytes(response))
            self.transcript.usage = usage_of_facts(facts)
            self.transcript.finish_reason = facts.status or ""
        fields["response"] = Raw(self._record.label(response))
        event = b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(fields)
        return self.end(event) if kind in LAST_EVENTS else event


def check_facts(facts: _Facts, body: bytes) -> None:
    """Raises what a response means that failed, and UpstreamUnavailable for what is no response."""
    if facts.error:
        raise error_in_answer(read_loosely(body))
    if facts.status not in GOOD_ENDINGS:
        if facts.object == "response":
            raise UpstreamUnavailable(GAVE_UP).caused_by(UpstreamCause.SERVER_ERROR)
        raise UpstreamUnavailable(NO_COMPLETION)


def usage_of_facts(facts: _Facts) -> Usage | None:
    return Usage(facts.usage.input_tokens, facts.usage.output_tokens) if facts.usage else None


def _raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))
