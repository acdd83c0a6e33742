"""A small imitation of the Hugging Face hub's endpoints, for the real huggingface_hub to talk to."""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeRepository:
    """One model repository. `sizes` lists files that are too large to hold."""

    files: dict[str, bytes] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, int] | None = None
    needs_token: str | None = None
    commit: str = COMMIT
    revisions: tuple[str, ...] = ("main", "v1", COMMIT)


class FakeHub:
    """`repositories` by name; `failure` makes every answer a bare status, `delay_s` a slow one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.repositories: dict[str, FakeRepository] = {}
        self.failure: int | None = None
        self.failure_headers: dict[str, str] = {}
        self.delay_s = 0.0
        self.requests: list[str] = []
        self.tokens: list[str | None] = []


def safetensors_header(tensors: dict[str, Any]) -> bytes:
    """The head of a .safetensors file, all that is ever read of one."""
    header = json.dumps(tensors).encode()
    return struct.pack("<Q", len(header)) + header


@contextlib.contextmanager
def start_fake_hub() -> Iterator[FakeHub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    hub = FakeHub(f"http://127.0.0.1:{server.server_port}")
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the test looks at `hub.requests`."""

    @property
    def hub(self) -> FakeHub:
        return self.server.hub  # type: ignore[attr-defined,no-any-return]

    def _answer(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.requests.append(f"{self.command} {path}")
        hub.tokens.append(self.headers.get("Authorization"))
        if hub.delay_s:
            time.sleep(hub.delay_s)
        if hub.failure:
            return self._send(hub.failure, b"failed", hub.failure_headers)
        if path.startswith("/api/models/"):
            return self._answer_listing(path.removeprefix("/api/models/"))
        return self._answer_file(path.lstrip("/"))

    def _answer_listing(self, rest: str) -> None:
        name, _, revision = rest.partition("/revision/")
        repository = self.hub.repositories.get(name)
        if repository is None:
            return self._refuse(401, "RepoNotFound", "Invalid username or password.")
        if revision and revision not in repository.revisions:
            return self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        sizes = {name: len(content) for name, content in repository.files.items()} | repository.sizes
        content: dict[str, Any] = {
            "id": name,
            "sha": repository.commit,
            "gated": "manual" if repository.needs_token else False,
            "siblings": [{"rfilename": name, "size": size} for name, size in sizes.items()],
        }
        if repository.parameters:
            total = sum(repository.parameters.values())
            content["safetensors"] = {"parameters": repository.parameters, "total": total}
        return self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _answer_file(self, path: str) -> None:
        name, _, rest = path.partition("/resolve/")
        revision, _, filename = rest.partition("/")
        repository = self.hub.repositories.get(name)
        if repository is None:
            return self._refuse(401, "RepoNotFound", "Invalid username or password.")
        if revision not in repository.revisions:
            return self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if repository.needs_token and self.headers.get("Authorization") != f"Bearer {repository.needs_token}":
            status = 403 if self.headers.get("Authorization") else 401
            return self._refuse(status, "GatedRepo", "Access to this model is restricted.")
        content = repository.files.get(filename)
        if content is None:
            return self._refuse(404, "EntryNotFound", "Entry not found")
        etag = hashlib.sha256(content).hexdigest()
        headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{etag}"'}
        return self._send(200, content, headers)

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
                self.wfile.write(body)
