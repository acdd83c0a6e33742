"""An image registry on the loopback, read-only, with switches for what goes wrong at registries."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
LAYERS = 2
LAYER_BYTES = 3 * 2**20


@dataclass
class ImageRegistry:
    """Serves one image as `image`. Docker speaks plain HTTP to registries on the loopback."""

    address: str
    manifest: bytes
    blobs: dict[str, bytes]
    is_denying: bool = False
    is_cutting_layers: bool = False
    """Break off in the middle of each layer."""
    flowing: threading.Event = field(default_factory=threading.Event)
    """While it is clear, layers come to the middle and then all but stop."""
    held: threading.Event = field(default_factory=threading.Event)
    """Set when one has come to its middle."""
    broken_off: threading.Event = field(default_factory=threading.Event)
    """Set when Docker hung up on a layer."""

    @property
    def image(self) -> str:
        return f"{self.address}/team/vllm:v1"

    @property
    def digest(self) -> str:
        return f"{self.address}/team/vllm@{digest_of(self.manifest)}"


@contextlib.contextmanager
def start_registry() -> Iterator[ImageRegistry]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    manifest, blobs = _build_image()
    registry = ImageRegistry(f"127.0.0.1:{server.server_port}", manifest, blobs)
    registry.flowing.set()
    server.registry = registry  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        registry.flowing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _build_image() -> tuple[bytes, dict[str, bytes]]:
    """The manifest and, by digest, what it points to: layers of noise, which does not compress."""
    layers = [_layer(f"file-{number}", os.urandom(LAYER_BYTES)) for number in range(LAYERS)]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/nothing"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
    }
    packed = [gzip.compress(layer, compresslevel=1) for layer in layers]
    encoded = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _describe("application/vnd.docker.container.image.v1+json", encoded),
        "layers": [_describe("application/vnd.docker.image.rootfs.diff.tar.gzip", blob) for blob in packed],
    }
    return json.dumps(manifest).encode(), {digest_of(blob): blob for blob in (encoded, *packed)}


def _layer(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _describe(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(blob), "digest": digest_of(blob)}


class _Handler(BaseHTTPRequestHandler):
    @property
    def registry(self) -> ImageRegistry:
        return self.server.registry  # type: ignore[attr-defined,no-any-return]

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        registry, kind, reference = self.registry, *self.path.split("/")[-2:]
        if registry.is_denying:
            self._send(
                401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}', {}
            )
        elif self.path == "/v2/":
            self._send(200, b"{}", {})
        elif kind == "manifests" and reference in {"v1", digest_of(registry.manifest)}:
            headers = {"Content-Type": MANIFEST_TYPE, "Docker-Content-Digest": digest_of(registry.manifest)}
            self._send(200, registry.manifest, headers)
        elif kind == "blobs" and reference in registry.blobs:
            self._send_blob(registry.blobs[reference])
        else:
            self._send(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}', {})

    def _send_blob(self, blob: bytes) -> None:
        """Whole, or from where an interrupted download goes on."""
        headers = {"Content-Type": "application/octet-stream"}
        wanted = self.headers.get("Range")
        if wanted is None:
            return self._send(200, blob, headers)
        first = int(wanted.removeprefix("bytes=").partition("-")[0])
        headers["Content-Range"] = f"bytes {first}-{len(blob) - 1}/{len(blob)}"
        return self._send(206, blob[first:], headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            self._send_body(body)
        except ConnectionError:
            self.registry.broken_off.set()

    def _send_body(self, body: bytes) -> None:
        middle = len(body) // 2 if len(body) > LAYER_BYTES // 2 else len(body)
        self.wfile.write(body[:middle])
        if middle == len(body):
            return
        if self.registry.is_cutting_layers:
            self.close_connection = True
            return
        if not self.registry.flowing.is_set():
            self.wfile.flush()
            self.registry.held.set()
            middle = self._trickle(body, middle)
        self.wfile.write(body[middle:])

    def _trickle(self, body: bytes, position: int) -> int:
        """A byte now and then until the test lets it flow: with one, Docker notices a cancelled pull."""
        self.connection.settimeout(0.05)
        while not self.registry.flowing.is_set():
            self.wfile.write(body[position : position + 1])
            position += 1
            with contextlib.suppress(TimeoutError):
                if not self.connection.recv(1):  # Docker sends nothing more, so this is the end
                    raise ConnectionResetError
        self.connection.settimeout(None)
        return position
