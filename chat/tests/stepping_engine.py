"""An engine whose one running answer says what a test has it say, when the test has it say it."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chat.tests.scripted_engine import MODELS


class SteppingEngine:
    """What is said goes to the answer that runs, or to the next one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pieces: queue.Queue[bytes | None] = queue.Queue()

    def say(self, **delta: Any) -> None:
        chunk = {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta}]}
        self.pieces.put(b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n")

    def end(self, *last: bytes) -> None:
        """Send these bytes, then close the connection."""
        for piece in last:
            self.pieces.put(piece)
        self.pieces.put(None)


@contextmanager
def start_stepping_engine() -> Iterator[SteppingEngine]:
    """A running engine, ended on exit."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._begin("application/json")
            self.wfile.write(MODELS.encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._begin("text/event-stream")
            while (piece := engine.pieces.get()) is not None:
                self.wfile.write(piece)

        def _begin(self, content_type: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    engine = SteppingEngine(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield engine
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
