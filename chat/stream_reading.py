"""Reads the engine's stream: cuts it into events, and folds a copy of each into the transcript."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from chat.odd_answers import check_for_error, read_odd_event
from chat.positions import EventIds
from chat.sse import DONE, DONE_PAYLOAD, EventSplitter, payload_of
from chat.transcript import Choice, Transcript, decode_chunk
from chat.whole_answers import GAVE_UP, DocumentReader, reader_for
from gateway.bodies import NOT_JSON
from gateway.errors import GatewayError, UpstreamCause, UpstreamUnavailable

MAX_EVENT_BYTES = 16 * 2**20


class StreamEnded(Exception):
    """The engine sent `[DONE]`: the end of a good answer."""


class StreamRead(NamedTuple):
    """The result of one read of the engine's stream. A NamedTuple, as one is made for every read."""

    kept: list[bytes]
    """Events for the client."""
    ending: GatewayError | type[StreamEnded] | None = None
    """What to raise after them. Not an instance of StreamEnded: its traceback would refer to this."""


class _Stamp(msgspec.Struct):
    system_fingerprint: Any = None


_decode_stamp = msgspec.json.Decoder(_Stamp).decode


class Endings:
    """The last event of each choice, held until the event with the usage has told its `system_fingerprint`.

    vLLM writes it into the last event of each choice; where usage is asked for, into the event with the usage
    instead. The gateway always asks, and takes that event out again for clients that did not.
    """

    __slots__ = ("_held", "ended")

    def __init__(self) -> None:
        self.ended: set[int] = set()
        """The choices whose last event has come."""
        self._held: list[bytes] = []

    def holds(self, event: bytes, choice: Choice) -> bool:
        """Whether the event is held: the last one of its choice, or one that follows it."""
        index = choice.index
        if choice.finish_reason is None and index not in self.ended:
            return False
        if b'"system_fingerprint"' in event:
            return False
        self.ended.add(index)
        self._held.append(event)
        return True

    def release(self, usage_payload: bytes = b"") -> list[bytes]:
        """What was held, with the fingerprint of the usage event, if that has one."""
        held, self._held = self._held, []
        if not held or not usage_payload:
            return held
        try:
            stamp = _decode_stamp(usage_payload).system_fingerprint
        except NOT_JSON:
            return held
        if stamp is None:
            return held
        written = b',"system_fingerprint":' + msgspec.json.encode(stamp) + b"}"
        return [event[:-1] + written if event.endswith(b"}") else event for event in held]


NO_ENDINGS = Endings()
"""Of all streams from which nothing is taken out: it never holds anything."""


class StreamReader:
    """Reads one answer, whether it comes as events or as one JSON document."""

    __slots__ = ("_beginning", "_endings", "_ids", "_keep_usage", "_reader", "_transcript")

    last_event = DONE

    def __init__(self, transcript: Transcript, *, keep_usage: bool, ids: EventIds | None = None) -> None:
        """`ids` number the events."""
        self._transcript = transcript
        self._ids = ids
        self._keep_usage = keep_usage
        self._endings = NO_ENDINGS if keep_usage else Endings()
        self._beginning = b""
        self._reader: EventSplitter | DocumentReader | None = None

    def read(self, data: bytes) -> StreamRead:
        """What the events say that `data` completes."""
        reader = self._reader
        if reader is None:
            data = self._beginning = self._beginning + data
            self._reader = reader = reader_for(data)
            if reader is None:
                return StreamRead([])
            self._beginning = b""
        read = self._fold(reader.feed(data))
        if reader.pending_bytes > MAX_EVENT_BYTES and read.ending is None:
            return StreamRead(read.kept, UpstreamUnavailable("The engine sent an event without end."))
        return read

    def finish(self) -> StreamRead:
        """What the last event says, of a stream that ends without the blank line after it."""
        read = self._fold(self._reader.finish() if self._reader else [])
        return StreamRead(read.kept + self._endings.release(), read.ending)

    def _fold(self, events: list[bytes]) -> StreamRead:
        kept: list[bytes] = []
        transcript, ids, endings = self._transcript, self._ids, self._endings
        mark = ids.mark if ids is not None else None
        try:
            for event in events:
                # As nearly all events are, without a call for each token.
                is_one_line = event.startswith(b"data: ") and b"\n" not in event
                payload = event[6:] if is_one_line else payload_of(event)
                if payload == DONE_PAYLOAD:
                    return self._end(kept)
                if not payload:
                    continue  # a comment of the engine's: the gateway sends pings of its own
                try:
                    chunk = decode_chunk(payload)
                except NOT_JSON:
                    if payload.strip() == DONE_PAYLOAD:
                        return self._end(kept)
                    event, chunk = read_odd_event(event, payload)
                    if ids is not None:
                        ids.note_odd()
                choices = chunk.choices
                if chunk.error or not choices:
                    check_for_error(event, payload, chunk)
                transcript.add(chunk)
                if choices and mark is not None:
                    event = mark(event)
                if transcript.has_failed:
                    kept += [event] if any(choice.carries_something for choice in choices) else []
                    raise UpstreamUnavailable(GAVE_UP).caused_by(UpstreamCause.SERVER_ERROR)
                if self._keep_usage:
                    kept.append(event)
                elif not choices:
                    kept += endings.release(payload)
                elif choices[0].finish_reason is None and not endings.ended:
                    kept.append(event)  # as nearly all events, again without a call
                elif not endings.holds(event, choices[0]):
                    kept.append(event)
        except GatewayError as exc:
            return StreamRead(kept + endings.release(), exc)
        return StreamRead(kept)

    def _end(self, kept: list[bytes]) -> StreamRead:
        """The engine sent `[DONE]`: the end of an answer, if there was one."""
        transcript = self._transcript
        kept += self._endings.release()
        if not transcript.pieces and not transcript.finish_reason:
            return StreamRead(kept, UpstreamUnavailable("The engine ended its answer without any."))
        transcript.is_unfinished = not transcript.finish_reason
        return StreamRead(kept, StreamEnded)
