"""What the tests of odd engines share: their answers, as bytes, and calls on both APIs."""

from __future__ import annotations

from typing import Any

import httpx

from chat.tests.scripted_engine import delta_event
from chat.tests.streams import StreamedReply, read_stream

DONE = b"data: [DONE]\n\n"
END = delta_event(finish_reason="stop") + DONE
BODIES: dict[str, dict[str, Any]] = {
    "/api/chat": {"content": "x"},
    "/v1/chat/completions": {"model": "current", "messages": [{"role": "user", "content": "x"}]},
}
PATHS = list(BODIES)


def stream(client: httpx.Client, path: str) -> StreamedReply:
    reply = read_stream(client, path, BODIES[path])
    assert reply.status == 200, reply.body
    return reply


def plain(client: httpx.Client, path: str) -> httpx.Response:
    return client.post(path, json=BODIES[path])


def newest_answer(client: httpx.Client) -> dict[str, Any]:
    conversation = client.get("/api/conversations", params={"limit": 1}).json()["first_id"]
    answer: dict[str, Any] = client.get(f"/api/conversations/{conversation}").json()["messages"][-1]
    return answer


def event(delta: bytes, more: bytes = b"") -> bytes:
    return b'data: {"id":"c","choices":[{"index":0,"delta":' + delta + more + b"}]}\n\n"


def completion(message: bytes = b'{"role":"assistant","content":"fine"}', more: bytes = b"") -> bytes:
    return (
        b'{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":'
        + message
        + b',"finish_reason":"stop"'
        + more
        + b'}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}'
    )


def texts(parts: bytes) -> bytes:
    return event(b'{"content":' + parts + b"}")
