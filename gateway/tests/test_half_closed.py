"""Clients that close their sending side after a request, as `nc -N` and some proxies do."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from functools import partial

import pytest

from chat.tests.test_leaving_and_stopping import running_on
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from modelops.simulator.process import start_simulator


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """Slow enough to be caught before its answer."""
    flags = ("--served-model-name", "simulated", "--sim-tokens-per-second", "10")
    with start_simulator(*flags, "--sim-first-token-seconds", "0.5") as engine:
        yield engine.base_url


@pytest.fixture(scope="module")
def web(stores: Stores, tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[GatewayProcess]:
    with start_gateway(stores, tmp_path_factory.mktemp("half"), engine) as gateway:
        yield gateway


def send(web: GatewayProcess, path: str, body: bytes, version: str = "1.1") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", web.port), timeout=20)
    method = "POST" if body else "GET"
    connection.sendall(
        f"{method} {path} HTTP/{version}\r\nHost: localhost\r\nAuthorization: Bearer {web.token()}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return connection


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(partial(connection.recv, 65536), b""))


CHAT = b'{"content": "x", "max_tokens": 5}'
REQUESTS = {
    "chat": ("/api/chat", CHAT, b'"finish_reason"'),
    "chat stream": ("/api/chat", CHAT[:-1] + b', "stream": true}', b"data: [DONE]"),
    "v1": (
        "/v1/chat/completions",
        b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": 5}',
        b'"finish_reason"',
    ),
    "pages": ("/api/conversations", b"", b'"has_more"'),
    "refusal": ("/api/chat", b"{", b"invalid_request"),
}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("kind", REQUESTS)
def test_client_that_half_closes_after_its_request_gets_its_answer(
    web: GatewayProcess, kind: str, version: str
) -> None:
    path, body, end = REQUESTS[kind]
    with send(web, path, body, version) as connection:
        connection.shutdown(socket.SHUT_WR)

        answer = read_all(connection)

    while answer.startswith(b"HTTP/1.1 100 "):
        assert version == "1.1"
        answer = answer.partition(b"\r\n\r\n")[2]
    assert answer.startswith(b"HTTP/1.1 400" if kind == "refusal" else b"HTTP/1.1 200")
    assert end in answer


def test_requests_in_a_row_get_their_answers_before_the_end(web: GatewayProcess) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
        connection.sendall(request * 3)
        connection.shutdown(socket.SHUT_WR)

        answer = read_all(connection)

    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["status"]


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_client_that_closes_before_its_answer_frees_the_engine(
    web: GatewayProcess, engine: str, is_stream: bool
) -> None:
    body = json.dumps(
        {
            "messages": [{"role": "user", "content": "x"}],
            "max_tokens": 900,
            "min_tokens": 900,
            "stream": is_stream,
        }
    )
    with send(web, "/v1/chat/completions", body.encode()):
        wait_until(lambda: running_on(engine) == 1, what="the engine to generate")

    wait_until(lambda: running_on(engine) == 0, timeout_s=3, what="the engine to be free")


def test_half_a_request_is_not_waited_for(web: GatewayProcess) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
        head = f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {web.token()}\r\n"
        connection.sendall(head.encode() + b"Content-Length: 100\r\n\r\n{")
        connection.shutdown(socket.SHUT_WR)

        assert read_all(connection) == b""
