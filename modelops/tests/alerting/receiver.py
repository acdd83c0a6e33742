"""A chat service's webhook on this machine: a real HTTP server that keeps what it is sent."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """`answers` are the statuses and headers of the next answers; after them, each is 200."""

    def __init__(self, port: int) -> None:
        self.url = f"http://localhost:{port}/hooks/top-secret-token"
        self.received: list[dict[str, Any]] = []
        self.hosts: list[str] = []
        self.answers: list[tuple[int, dict[str, str]]] = []

    def titles(self) -> list[str]:
        return [each["title"] for each in self.received]


@contextlib.contextmanager
def start_receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
            if status == 200:
                receiver.received.append(json.loads(body))
            receiver.hosts.append(self.headers["Host"])
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("localhost", 0), Handler) as server:
        receiver = Receiver(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
