"""An engine that answers any completion with the bytes a test gives it, well-formed or not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODELS = json.dumps(
    {"object": "list", "data": [{"id": "scripted", "object": "model", "max_model_len": 4096}]}
)


def delta_event(content: str = "", **choice: Any) -> bytes:
    """One chunk as vLLM writes it."""
    chunk = {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"content": content}, **choice}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def usage_event(**usage: Any) -> bytes:
    return b"data: " + json.dumps({"id": "chatcmpl-1", "choices": [], "usage": usage}).encode() + b"\n\n"


def completion_of(stream: bytes) -> bytes:
    """What the engine answers without `stream`: the text of its events as one completion."""
    payloads = [event.removeprefix(b"data: ") for event in stream.split(b"\n\n") if event]
    chunks = [json.loads(payload) for payload in payloads if payload != b"[DONE]"]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice]}).encode()


class ScriptedEngine:
    """`body` is what the next completions answer, then the connection ends. `received`: what they asked.

    A plain request gets the text of a `body` that is a stream as one completion.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[dict[str, Any]] = []
        self.received_paths: list[str] = []
        self.received_bodies: list[bytes] = []
        self.received_headers: list[dict[str, str]] = []
        self.reply(b"")

    def reply(
        self,
        body: bytes,
        *,
        status: int = 200,
        content_type: str = "text/event-stream",
        content_encoding: str = "",
    ) -> None:
        """Answer this from now on."""
        self.body = body
        self.status = status
        self.headers = {"Content-Type": content_type}
        if content_encoding:
            self.headers["Content-Encoding"] = content_encoding


@contextmanager
def start_scripted_engine() -> Iterator[ScriptedEngine]:
    """A running engine, ended on exit."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, {"Content-Type": "application/json"}, MODELS.encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_json = self.headers["Content-Type"] == "application/json"
            in_form = {"stream": b'name="stream"\r\n\r\ntrue' in body}
            engine.received.append(json.loads(body) if is_json else in_form)
            engine.received_bodies.append(body)
            engine.received_paths.append(self.path)
            engine.received_headers.append({name.lower(): value for name, value in self.headers.items()})
            if engine.received[-1].get("stream") or not engine.body.startswith(b"data: "):
                self._answer(engine.status, engine.headers, engine.body)
            else:
                self._answer(200, {"Content-Type": "application/json"}, completion_of(engine.body))

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    engine = ScriptedEngine(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield engine
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
