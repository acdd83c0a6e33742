"""Server-sent events: splits the engine's bytes into events, and encodes the gateway's own."""

from __future__ import annotations

import msgspec

from gateway.errors import GatewayError, to_envelope

PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"
DONE_PAYLOAD = b"[DONE]"

EVENT_STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)


class EventSplitter:
    """Cuts a byte stream at event boundaries, wherever the network cut it."""

    __slots__ = ("_held", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._held = b""

    @property
    def pending_bytes(self) -> int:
        """How much of an unfinished event is held."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes, without the blank line that ends each."""
        if self._held:
            data, self._held = self._held + data, b""
        if b"\r" in data:
            if data.endswith(b"\r"):  # half a line end, perhaps
                data, self._held = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n")
        events = (self._rest + data).split(b"\n\n")
        self._rest = events.pop()
        return events


def payload_of(event: bytes) -> bytes:
    """The event's data; empty for a comment."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = (line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:"))
    return b"\n".join(lines)


def join_events(events: list[bytes]) -> bytes:
    """The events as they go on the wire."""
    return b"\n\n".join([*events, b""]) if events else b""


def data_event(content: object) -> bytes:
    return b"data: " + msgspec.json.encode(content) + b"\n\n"


def named_event(name: str, event_id: int, content: object) -> bytes:
    """An event as EventSource listens for it, with the id from which it resumes."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event_id, name.encode(), msgspec.json.encode(content))


def error_event(error: GatewayError) -> bytes:
    """The one event that says why an answer ends early; `[DONE]` follows it."""
    return data_event(to_envelope(error))
