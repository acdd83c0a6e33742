"""Reading streamed answers in tests, strictly: every event must parse, and `[DONE]` must come last."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class StreamedReply:
    """A stream taken apart. `events` are the JSON events in order."""

    status: int
    headers: httpx.Headers
    events: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    """The id that a client knows after each of them; empty before the first."""
    comments: int = 0
    is_done: bool = False
    body: str = ""

    @property
    def text(self) -> str:
        return "".join(
            choice["delta"].get("content") or ""
            for event in self.events
            for choice in event.get("choices", [])
        )

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [event["error"] for event in self.events if "error" in event]

    @property
    def usage(self) -> dict[str, int] | None:
        return next((e["usage"] for e in reversed(self.events) if e.get("usage")), None)


def read_stream(client: httpx.Client, path: str, body: dict[str, Any], **kwargs: Any) -> StreamedReply:
    """POST `body` with stream on, and read to the end."""
    with client.stream("POST", path, json={**body, "stream": True}, **kwargs) as response:
        reply = StreamedReply(response.status_code, response.headers)
        reply.body = response.read().decode(errors="replace")
    if "text/event-stream" in reply.headers.get("content-type", ""):
        take_apart(reply)
    return reply


def take_apart(reply: StreamedReply) -> None:
    assert reply.body.endswith("\n\n"), f"the stream ends in the middle of an event: {reply.body[-200:]!r}"
    last_id = ""
    for event in reply.body[:-2].split("\n\n"):
        assert not reply.is_done, f"something follows [DONE]: {event!r}"
        if event.startswith(":"):
            reply.comments += 1
            continue
        if event.startswith("id: "):
            event_id, _, event = event.partition("\n")
            last_id = event_id.removeprefix("id: ")
        assert event.startswith("data: "), event
        if event == "data: [DONE]":
            reply.is_done = True
        else:
            reply.events.append(json.loads(event[6:]))
            reply.ids.append(last_id)


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The envelope of a failed answer, with its shape checked."""
    content = response.json()
    assert set(content) == {"error"}, content
    assert set(content["error"]) == {"message", "type", "param", "code"}, content
    assert response.headers["x-request-id"]
    error: dict[str, Any] = content["error"]
    return error
