"""Completions that come as one JSON document: checked for plain calls, turned into events for streams."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from chat.odd_answers import NO_COMPLETION, is_error, null_constants, read_loosely, usage_of
from chat.sse import BYTE_ORDER_MARK, DONE_PAYLOAD, EventSplitter
from chat.transcript import FAILED_REASONS, Usage
from chat.upstream import error_in_answer
from gateway.bodies import NOT_JSON
from gateway.errors import UpstreamCause, UpstreamUnavailable
from gateway.wording import fill_in

NO_CHOICE = fill_in("The engine's answer holds no choice.")
GAVE_UP = fill_in("The engine gave the answer up.")

DONE_EVENT = b"data: " + DONE_PAYLOAD

_BLANKS = BYTE_ORDER_MARK + b" \t\r\n"


class Completion(NamedTuple):
    """A plain answer of the engine's: the bytes for the client, and what the gateway reads of them."""

    body: bytes
    usage: Usage | None
    is_unfinished: bool
    text: str = ""
    """What was said, of an answer that may come without a count of tokens."""


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Body(msgspec.Struct):
    choices: list[_Choice] | msgspec.UnsetType = msgspec.UNSET
    """Unset in what is no completion, such as embeddings."""
    usage: Usage | None = None
    error: Any = None
    object: Any = None
    message: Any = None
    detail: Any = None

    @property
    def is_other(self) -> bool:
        """Whether this is what a path answers that generates nothing, and no error in its place."""
        return (
            self.choices is msgspec.UNSET
            and self.object != "error"
            and self.message is None
            and self.detail is None
        )


_decode_body = msgspec.json.Decoder(_Body).decode


def read_completion(body: bytes) -> Completion:
    """Raises what an error means that came in its place, and UpstreamUnavailable without a choice.

    The bytes are changed only where they are no JSON for the client.
    """
    try:
        read = _decode_body(body)
    except NOT_JSON:
        return _read_odd_completion(null_constants(body.removeprefix(BYTE_ORDER_MARK)))
    if not read.error and read.is_other:
        return Completion(body, read.usage, is_unfinished=False)
    if read.error or not read.choices:
        return _read_odd_completion(body)
    return Completion(body, read.usage, _is_unfinished([choice.finish_reason for choice in read.choices]))


def _read_odd_completion(body: bytes) -> Completion:
    content = read_loosely(body)
    if is_error(content):
        raise error_in_answer(content)
    if not isinstance(content, dict):
        raise UpstreamUnavailable(NO_COMPLETION)
    reasons: list[Any] = ["stop"]
    if "choices" in content:
        choices = content["choices"]
        if not isinstance(choices, list) or not choices:
            raise UpstreamUnavailable(NO_CHOICE)
        reasons = [choice.get("finish_reason") for choice in choices if isinstance(choice, dict)]
    return Completion(body, usage_of(content.get("usage")), _is_unfinished(reasons))


def _is_unfinished(reasons: list[Any]) -> bool:
    """Whether a choice has no finish_reason. Raises UpstreamUnavailable for one that the engine gave up."""
    if any(isinstance(reason, str) and reason in FAILED_REASONS for reason in reasons):
        raise UpstreamUnavailable(GAVE_UP).caused_by(UpstreamCause.SERVER_ERROR)
    return not all(reasons)


class DocumentReader:
    """Reads a JSON document where a stream was asked for, as an EventSplitter reads a stream."""

    pending_bytes = 0

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        self._pieces.append(data)
        return []

    def finish(self) -> list[bytes]:
        """The document as one chunk, its usage and `[DONE]`; unchanged, where it is no completion."""
        body = null_constants(b"".join(self._pieces).strip(_BLANKS))
        content = read_loosely(body)
        if not isinstance(content, dict) or is_error(content):
            return [b"data: " + b" ".join(body.splitlines())]
        choices = content.get("choices")
        if not isinstance(choices, list) or not choices:
            return [DONE_EVENT]
        chunk = {**content, "choices": [_streamed(choice) for choice in choices]}
        if chunk.get("object") == "chat.completion":
            chunk["object"] = "chat.completion.chunk"
        usage = chunk.pop("usage", None)
        events = [_event(chunk)]
        if usage is not None:
            events.append(_event({**chunk, "choices": [], "usage": usage}))
        return [*events, DONE_EVENT]


def reader_for(beginning: bytes) -> EventSplitter | DocumentReader | None:
    """What reads a stream that begins with these bytes; None while they are blank."""
    first = beginning.lstrip(_BLANKS)[:1]
    if not first:
        return None
    return DocumentReader() if first in b"{[" else EventSplitter()


def _streamed(choice: Any) -> Any:
    """The choice of a completion as the choice of a chunk: its message is the delta."""
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        return choice
    delta = dict(choice["message"])
    if isinstance(calls := delta.get("tool_calls"), list):
        delta["tool_calls"] = [
            {"index": index, **call} if isinstance(call, dict) else call for index, call in enumerate(calls)
        ]
    return {**{name: value for name, value in choice.items() if name != "message"}, "delta": delta}


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content).encode()
