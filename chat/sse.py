"""Server-sent events: splits the engine's bytes into events, and encodes the gateway's own."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.errors import GatewayError, to_envelope

PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"
DONE_PAYLOAD = b"[DONE]"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

EVENT_STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)


class EventSplitter:
    """Cuts a byte stream at event boundaries, wherever the network cut it.

    As the standard has it (WHATWG HTML, 9.2.6): LF, CR or both end a line, and a byte order mark may begin
    the stream.
    """

    __slots__ = ("_ends_in_cr", "_is_first", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._ends_in_cr = False
        self._is_first = True

    @property
    def pending_bytes(self) -> int:
        """How much of an unfinished event is held."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes, without the blank line that ends each."""
        if self._ends_in_cr and data:
            data = data.removeprefix(b"\n")  # the other half of a line end
            self._ends_in_cr = False
        if b"\r" in data:
            self._ends_in_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        events = (self._rest + data).split(b"\n\n")
        self._rest = events.pop()
        if self._is_first and events:
            self._is_first = False
            events[0] = events[0].removeprefix(BYTE_ORDER_MARK)
        return events

    def finish(self) -> list[bytes]:
        """The last event, of a stream that ends without the blank line after it."""
        return self.feed(b"\n\n")


def payload_of(event: bytes) -> bytes:
    """The event's data; empty for a comment."""
    lines = (line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:"))
    return b"\n".join(lines)


def event_name(event: bytes) -> bytes:
    """The event's type, as its last `event:` line gives it; empty without one."""
    names = [line[6:].strip() for line in event.split(b"\n") if line.startswith(b"event:")]
    return names[-1] if names else b""


def join_events(events: list[bytes]) -> bytes:
    """The events as they go on the wire."""
    return b"\n\n".join([*events, b""]) if events else b""


def data_event(content: object) -> bytes:
    return b"data: " + msgspec.json.encode(content) + b"\n\n"


def named_event(name: str, event_id: int, content: object) -> bytes:
    """An event as EventSource listens for it, with the id from which it resumes."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event_id, name.encode(), msgspec.json.encode(content))


def error_event(error: GatewayError, translate: Callable[[str], str] | None = None) -> bytes:
    """The one event that says why an answer ends early; `[DONE]` follows it."""
    return data_event(to_envelope(error, translate))
