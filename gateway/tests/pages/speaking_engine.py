"""An engine that says what a test tells it to, when the test tells it to."""

from __future__ import annotations

import json
import queue
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODELS = {"object": "list", "data": [{"id": "speaker", "object": "model", "max_model_len": 1_000_000}]}
PATIENCE_S = 20.0


class SpeakingEngine:
    """What is said belongs to the first question whose answer has not ended, asked or still to be asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[dict[str, Any]] = []
        self.refusal: tuple[int, dict[str, Any]] | None = None
        """A status and a body that the next questions are answered with."""
        self._answers: defaultdict[int, queue.Queue[bytes | None]] = defaultdict(queue.Queue)
        self._speaking = 0
        self._listening = 0

    def say(self, content: str) -> None:
        self._put({"content": content})

    def think(self, reasoning: str) -> None:
        self._put({"reasoning": reasoning})

    def call(self, name: str, arguments: str) -> None:
        function = {"name": name, "arguments": arguments}
        self._put({"tool_calls": [{"index": 0, "id": "call-1", "function": function}]})

    def end(self, finish_reason: str = "stop") -> None:
        self._put({}, finish_reason=finish_reason)
        usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
        self._send(_event({"id": "chatcmpl-1", "model": "speaker", "choices": [], "usage": usage}))
        self._send(b"data: [DONE]\n\n")
        self.fall_silent()

    def answer(self, content: str, finish_reason: str = "stop") -> None:
        """A whole answer."""
        self.say(content)
        self.end(finish_reason)

    def fall_silent(self) -> None:
        """Close the connection, within the answer where it has not ended."""
        self._send(None)
        self._speaking += 1

    def _put(self, delta: dict[str, Any], finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        self._send(_event({"id": "chatcmpl-1", "model": "speaker", "choices": [choice]}))

    def _send(self, event: bytes | None) -> None:
        self._answers[self._speaking].put(event)

    def pieces(self) -> Iterator[bytes]:
        """Of the next answer."""
        answer = self._answers[self._listening]
        self._listening += 1
        with suppress(queue.Empty):
            while (event := answer.get(timeout=PATIENCE_S)) is not None:
                yield event


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"


@contextmanager
def start_speaking_engine() -> Iterator[SpeakingEngine]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, MODELS)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.path.endswith("/chat/completions"):
                self._answer(404, {"error": {"message": "not here"}})
                return
            engine.asked.append(body)
            if engine.refusal is not None:
                self._answer(*engine.refusal)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            with suppress(OSError):  # the gateway stops an answer by closing
                for piece in engine.pieces():
                    self.wfile.write(piece)

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    engine = SpeakingEngine(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield engine
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
