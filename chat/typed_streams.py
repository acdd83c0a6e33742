"""Streams whose events have types, one of which is the last: there is no `[DONE]`.

So are those of OpenAI's responses and of Anthropic's messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from chat.odd_answers import NO_COMPLETION, is_error, null_constants, read_loosely
from chat.sse import DONE_PAYLOAD, EventSplitter, payload_of
from chat.stream_reading import MAX_EVENT_BYTES, StreamEnded, StreamRead
from chat.transcript import Choice, Chunk, Delta, Transcript
from chat.upstream import error_in_answer
from chat.whole_answers import reader_for
from gateway.bodies import NOT_JSON
from gateway.errors import GatewayError, UpstreamUnavailable

Decoded = TypeVar("Decoded")


class TypedStreamReader:
    """Cuts such a stream into events; a subclass reads them.

    The event that ends a good answer is kept as `last_event`: it is sent when the outcome is on record.
    """

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.last_event = b""
        self._splitter: EventSplitter | None = None
        self._beginning: list[bytes] = []
        """Of a stream that is blank so far; all of what is no stream."""
        self._is_document = False

    def take(self, event: bytes, payload: bytes) -> bytes:
        """Read one event; returns it as the client gets it. Raises what ends the answer."""
        raise NotImplementedError

    def read(self, data: bytes) -> StreamRead:
        splitter = self._splitter
        if splitter is None:
            self._beginning.append(data)
            if self._is_document:
                return StreamRead([])
            data = b"".join(self._beginning)
            if (reader := reader_for(data)) is None:
                return StreamRead([])
            if not isinstance(reader, EventSplitter):
                self._is_document = True
                return StreamRead([])
            self._splitter = splitter = reader
            self._beginning = []
        read = self._fold(splitter.feed(data))
        if splitter.pending_bytes > MAX_EVENT_BYTES and read.ending is None:
            return StreamRead(read.kept, UpstreamUnavailable("The engine sent an event without end."))
        return read

    def finish(self) -> StreamRead:
        if self._splitter is not None:
            return self._fold(self._splitter.finish())
        return StreamRead([], _error_of_document(b"".join(self._beginning)) if self._is_document else None)

    def end(self, event: bytes) -> bytes:
        """Keep the event that ends the answer. Raises UpstreamUnavailable where there was no answer."""
        if not self.transcript.pieces and not self.transcript.finish_reason:
            raise UpstreamUnavailable("The engine ended its answer without any.")
        self.transcript.is_unfinished = not self.transcript.finish_reason
        self.last_event = event + b"\n\n"
        return event

    def add(self, delta: Delta) -> None:
        """A piece of the answer."""
        self.transcript.add(Chunk(choices=[Choice(delta=delta)]))

    def _fold(self, events: list[bytes]) -> StreamRead:
        kept: list[bytes] = []
        try:
            for event in events:
                payload = payload_of(event)
                if not payload or payload == DONE_PAYLOAD:
                    continue  # a comment, as the gateway sends pings of its own
                event = self.take(event, payload)
                if self.last_event:
                    return StreamRead(kept, StreamEnded)
                kept.append(event)
        except GatewayError as exc:
            return StreamRead(kept, exc)
        except NOT_JSON:
            # A part that a subclass reads by itself has another shape.
            return StreamRead(kept, UpstreamUnavailable(NO_COMPLETION))
        return StreamRead(kept)


def decode_event(payload: bytes, decode: Callable[[bytes], Decoded]) -> Decoded | None:
    """What the event says; None for one of a shape that the gateway does not read, which passes as it is.

    Raises UpstreamUnavailable for what is no JSON object.
    """
    try:
        return decode(payload)
    except NOT_JSON as exc:
        content = read_loosely(null_constants(payload))
        if not isinstance(content, dict):
            raise UpstreamUnavailable(NO_COMPLETION) from exc
        if is_error(content) or content.get("type") == "error":
            raise error_in_answer(content) from exc
        return None


def raise_error(payload: bytes) -> None:
    """Raise what an event says that reports a failure."""
    raise error_in_answer(read_loosely(null_constants(payload)))


def _error_of_document(body: bytes) -> GatewayError:
    """What a JSON document means in place of a stream."""
    content = read_loosely(body)
    return error_in_answer(content) if is_error(content) else UpstreamUnavailable(NO_COMPLETION)
