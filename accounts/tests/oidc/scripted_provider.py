"""An identity provider over HTTP that answers what a test has it answer: also what no good one would."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

CLIENT_ID = "gateway"
CLIENT_SECRET = "a secret of the client's"
KEY_ID = "key-1"


@dataclass
class ScriptedProvider:
    """`claims` go into the next token, over good ones; None takes a good one out."""

    url: str
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    signing_key: Any = None
    """Signs tokens in place of `key`, which stays the one that is published."""
    more_keys: list[Any] = field(default_factory=list)
    """That are published beside it."""
    names_keys: bool = True
    algorithm: str = "ES256"
    token_status: int = 200
    token_requests: list[dict[str, str]] = field(default_factory=list)
    nonce: str = ""
    """Of the flow that is under way."""

    def describe(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            **self.metadata,
        }

    def list_keys(self) -> dict[str, Any]:
        name = {"kid": KEY_ID} if self.names_keys else {}
        publics = [json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) for key in self._keys()]
        return {"keys": [{**public, **name, "use": "sig", "alg": "ES256"} for public in publics]}

    def _keys(self) -> list[Any]:
        return [self.key, *self.more_keys]

    def issue_token(self) -> str:
        now = int(time.time())
        good = {"iss": self.url, "sub": "subject-1", "aud": CLIENT_ID, "iat": now, "exp": now + 60}
        claims = {**good, "nonce": self.nonce, **self.claims}
        present = {name: value for name, value in claims.items() if value is not None}
        key = self.signing_key if self.signing_key is not None else self.key
        return jwt.encode(present, key, algorithm=self.algorithm, headers=self._head())

    def _head(self) -> dict[str, Any]:
        return ({"kid": KEY_ID} if self.names_keys else {}) | self.headers

    def tell_about(self) -> dict[str, Any]:
        return {"sub": self.claims.get("sub", "subject-1"), **self.userinfo}


class _Handler(BaseHTTPRequestHandler):
    provider: ScriptedProvider

    def do_GET(self) -> None:
        answers = {
            "/.well-known/openid-configuration": self.provider.describe,
            "/keys": self.provider.list_keys,
            "/userinfo": self.provider.tell_about,
        }
        self._answer(200, answers[self.path]())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(parse_qsl(body)) | {"authorization": self.headers.get("Authorization", "")}
        self.provider.token_requests.append(form)
        if self.provider.token_status != 200:
            self._answer(self.provider.token_status, {"error": "invalid_grant"})
            return
        answer = {"access_token": "opaque", "token_type": "Bearer", "id_token": self.provider.issue_token()}
        self._answer(200, answer)

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


@contextmanager
def start_scripted_provider() -> Iterator[ScriptedProvider]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    _Handler.provider = ScriptedProvider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield _Handler.provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
