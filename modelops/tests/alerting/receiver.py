"""A chat service's webhook on this machine: a real HTTP server that keeps what it is sent."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


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
def start_receiver(certificate: Path | None = None) -> Iterator[Receiver]:
    """Speaks TLS with the key and certificate in that file."""

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
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            receiver.url = receiver.url.replace("http:", "https:")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def make_certificate(path: Path, name: str) -> None:
    """A key and a certificate for that name, which only those trust who are given it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(written + certificate.public_bytes(serialization.Encoding.PEM))
