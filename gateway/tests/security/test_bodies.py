"""Malformed, endless and slow bodies, on both planes, through the real server."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from chat.tests.streams import error_of
from gateway.server_protocol import MAX_HEAD_BYTES
from gateway.tests.live import GatewayProcess
from gateway.tests.security.conftest import MAX_BODY_BYTES

pytestmark = pytest.mark.stores_do_not_matter

PATHS = ["/api/chat", "/v1/chat/completions", "/api/conversations", "/api/keys", "/api/auth/login"]
JSON = {"Content-Type": "application/json"}

NO_CLEAN_JSON = {
    "deep lists": b"[" * 5000 + b"]" * 5000,
    "deep objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "deep in an unknown field": b'{"messages": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "escaped NUL": rb'{"content": "a\u0000b", "messages": [{"role": "user", "content": "\u0000"}]}',
    "raw NUL": b'{"content": "a\x00b"}',
    "lone surrogate": rb'{"content": "\ud800", "messages": [{"role": "user", "content": "\udfff"}]}',
    "not UTF-8": b'{"content": "\xff"}',
    "cut": b'{"content": ',
    "NaN": b'{"temperature": NaN, "content": "x"}',
    "a list": b"[]",
    "null": b"null",
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", NO_CLEAN_JSON)
def test_body_that_is_no_clean_json_object_is_a_json_400(web: httpx.Client, path: str, kind: str) -> None:
    answer = web.post(path, content=NO_CLEAN_JSON[kind], headers=JSON)

    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", [*PATHS, "/v1/completions", "/admin/login/"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["declared", "chunked"])
def test_body_over_the_limit_is_a_json_413(web: httpx.Client, path: str, is_chunked: bool) -> None:
    block = b"x" * (MAX_BODY_BYTES // 2 + 10)

    answer = web.post(path, content=iter([block, block]) if is_chunked else block * 2, headers=JSON)

    assert (answer.status_code, error_of(answer)["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/api/conversations"])
def test_chunked_body_without_content_length_is_read(web: httpx.Client, path: str) -> None:
    bodies = {
        "/api/chat": {"content": "hello", "store": False},
        "/v1/chat/completions": {"messages": [{"role": "user", "content": "hello"}]},
        "/api/conversations": {"title": "in pieces"},
    }
    text = json.dumps(bodies[path]).encode()

    answer = web.post(path, content=iter([text[:5], text[5:]]), headers=JSON)

    assert "content-length" not in answer.request.headers
    assert answer.is_success
    if path == "/api/conversations":
        assert answer.json()["title"] == "in pieces"


def open_request(gateway: GatewayProcess, path: str, *, length: int) -> socket.socket:
    """A connection that has sent its head and a first piece of a body of `length` bytes."""
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    connection.sendall(
        (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.token()}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        ).encode()
        + b'{"content": '
    )
    return connection


@pytest.mark.parametrize(
    "path", ["/api/chat", "/v1/chat/completions", "/api/conversations", "/api/auth/login"]
)
def test_body_that_stalls_is_given_up(fort: GatewayProcess, path: str) -> None:
    with open_request(fort, path, length=1000) as connection:
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"stalled" in answer


def test_body_that_drips_is_bounded_as_a_whole(fort: GatewayProcess) -> None:
    """A byte now and then is no stall, and must not hold a request for ever."""
    with open_request(fort, "/api/chat", length=100_000) as connection:
        connection.settimeout(0.1)
        answer = b"".join(drip(connection))

    assert answer.startswith(b"HTTP/1.1 400 ")


def drip(connection: socket.socket) -> Iterator[bytes]:
    """One byte after the other, until an answer comes; for much longer than a whole body may take."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        connection.sendall(b" ")
        try:
            yield connection.recv(65536)
        except TimeoutError:
            continue
        return


@pytest.mark.parametrize("beginning", [b"", b"P", b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_request_that_never_gets_past_its_head_is_given_up(fort: GatewayProcess, beginning: bytes) -> None:
    with socket.create_connection(("127.0.0.1", fort.port), timeout=30) as connection:
        connection.sendall(beginning)

        assert connection.recv(65536) == b""


def test_head_of_a_later_request_is_bounded_too(fort: GatewayProcess) -> None:
    with socket.create_connection(("127.0.0.1", fort.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}}"):
            answer += connection.recv(65536)
        connection.sendall(b"GET / HTT")

        assert connection.recv(65536) == b""


def test_head_without_end_is_refused(fort: GatewayProcess) -> None:
    with socket.create_connection(("127.0.0.1", fort.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * (MAX_HEAD_BYTES + 100))

        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "head",
    [
        b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Many: 1\r\n" * 20_000 + b"\r\n",
    ],
    ids=["two lengths", "negative length", "bad chunk", "NUL in the path", "many headers"],
)
def test_request_that_is_no_http_harms_nobody(fort: GatewayProcess, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", fort.port), timeout=10) as connection:
        try:
            connection.sendall(head)
            answer = connection.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            answer = b""

    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200 "))
    assert httpx.get(f"{fort.url}/").status_code == 200
