"""As much of a model hub as `snapshot_download` needs, at an address that containers reach too."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class ModelHub:
    """One repository, and switches for what goes wrong at hubs."""

    url: str
    repository: str
    files: dict[str, bytes]
    also: str = ""
    """A second repository with the same files."""
    needed_token: str = ""
    failure: int = 0
    """A status to answer everything with."""
    answering: threading.Event = field(default_factory=threading.Event)
    """While it is clear, every answer waits."""
    flowing: threading.Event = field(default_factory=threading.Event)
    """While it is clear, files stop in their middle."""
    requests: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)

    def fetched_files(self, repository: str = "") -> list[str]:
        start = f"GET /{repository or self.repository}/resolve/"
        fetched = [request for request in self.requests if request.startswith(start)]
        return sorted(request.split("/", 5)[-1] for request in fetched)


@contextlib.contextmanager
def start_model_hub(address: str, repository: str, files: dict[str, bytes]) -> Iterator[ModelHub]:
    server = ThreadingHTTPServer((address, 0), _Handler)
    server.daemon_threads = True
    hub = ModelHub(f"http://{address}:{server.server_port}", repository, files)
    hub.answering.set()
    hub.flowing.set()
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.answering.set()
        hub.flowing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub: ModelHub = self.server.hub  # type: ignore[attr-defined]
        path = urlsplit(self.path).path
        hub.requests.append(f"{self.command} {path}")
        if hub.also:
            path = path.replace(hub.also, hub.repository)
        token = self.headers.get("Authorization")
        if hub.repository in path:  # the library's own questions are nobody's business
            hub.tokens.add(token)
        hub.answering.wait()
        if hub.failure:
            self._refuse(hub.failure, "", "failed")
        elif path.startswith(f"/api/models/{hub.repository}/tree/"):
            self._send_json([self._describe(name) | {"type": "file"} for name in hub.files])
        elif path in {f"/api/models/{hub.repository}", f"/api/models/{hub.repository}/revision/main"}:
            siblings = [self._describe(name) for name in hub.files]
            self._send_json({"id": hub.repository, "sha": COMMIT, "siblings": siblings})
        elif not path.startswith(f"/{hub.repository}/resolve/"):
            self._refuse(401, "RepoNotFound", "Invalid username or password.")
        elif hub.needed_token and token != f"Bearer {hub.needed_token}":
            self._refuse(403, "GatedRepo", "Access to this model is restricted.")
        else:
            content = hub.files[path.split("/", 5)[-1]]
            self._send(200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{_hash(content)}"'})

    def _describe(self, name: str) -> dict[str, Any]:
        content = self.server.hub.files[name]  # type: ignore[attr-defined]
        return {"rfilename": name, "path": name, "size": len(content), "oid": _hash(content)}

    def _send_json(self, content: object) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._send(status, message.encode(), {"X-Error-Code": code, "X-Error-Message": message})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        with contextlib.suppress(ConnectionError):  # a client that stopped waiting
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                half = len(body) // 2 if "ETag" in headers else len(body)
                self.wfile.write(body[:half])
                self.server.hub.flowing.wait()  # type: ignore[attr-defined]
                self.wfile.write(body[half:])


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
