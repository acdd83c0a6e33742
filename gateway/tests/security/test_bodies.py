"""Malformed, endless and slow bodies, on both planes, through the real server."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import httpx
import pytest

from chat.tests.scripted_engine import ScriptedEngine
from chat.tests.streams import error_of
from gateway.body_bounds import UPLOADS_AT_A_TIME
from gateway.server_protocol import MAX_HEAD_BYTES
from gateway.tests.databases import ADMIN_PASSWORD
from gateway.tests.live import GatewayProcess, wait_until
from gateway.tests.security.conftest import MAX_BODY_BYTES, MAX_ENGINE_BODY_BYTES

PATHS = ["/api/chat", "/v1/chat/completions", "/api/conversations", "/api/keys", "/api/auth/login"]
JSON = {"Content-Type": "application/json"}

NO_CLEAN_JSON = {
    "deep lists": b"[" * 5000 + b"]" * 5000,
    "deep objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "deep in an unknown field": b'{"messages": ' + b"[" * 5000 + b"]" * 5000 + b"}",
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


# Each of them is understood, but for what stands in it for %s.
GOOD_BODIES = {
    "/api/chat": b'{"content": "%s", "store": false}',
    "/v1/chat/completions": b'{"messages": [{"role": "user", "content": "%s"}]}',
    "/v1/completions": b'{"prompt": "%s"}',
    "/api/conversations": b'{"title": "%s"}',
    "/api/keys": b'{"name": "%s", "scopes": ["chat"]}',
    "/api/auth/login": b'{"username": "%s", "password": "x"}',
}
NO_CLEAN_TEXT = {
    "escaped NUL": (rb"a\u0000b", "NUL character"),
    "NUL after a backslash": (rb"a\\\u0000b", "NUL character"),
    "raw NUL": (b"a\x00b", "not valid JSON"),
    "high surrogate": (rb"a\ud800b", "not valid JSON"),
    "low surrogate": (rb"a\udfffb", "not valid JSON"),
    "not UTF-8": (b"a\xffb", "not valid JSON"),
}


UNCLEAN = [
    (path, kind)
    for path in GOOD_BODIES
    for kind, (_text, reason) in NO_CLEAN_TEXT.items()
    if reason != "NUL character" or path.startswith("/api/")  # nothing of /v1 is stored
]


@pytest.mark.parametrize(("path", "kind"), UNCLEAN)
def test_text_that_cannot_be_stored_is_a_json_400(web: httpx.Client, path: str, kind: str) -> None:
    """By what reads the body, and not by a field that happens to look closer."""
    text, reason = NO_CLEAN_TEXT[kind]

    answer = web.post(path, content=GOOD_BODIES[path] % text, headers=JSON)

    error = error_of(answer)
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_request", None)
    assert reason in error["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_nul_passes_where_nothing_is_stored(
    web: httpx.Client, recording_engine: ScriptedEngine, path: str
) -> None:
    recording_engine.received.clear()

    answer = web.post(path, content=GOOD_BODIES[path] % rb"a\u0000b", headers=JSON)

    assert answer.status_code == 200
    assert r"a\u0000b" in json.dumps(recording_engine.received[0])


@pytest.mark.parametrize("path", GOOD_BODIES)
def test_same_body_with_clean_text_is_understood(web: httpx.Client, path: str) -> None:
    answer = web.post(path, content=GOOD_BODIES[path] % rb"a\\u0000\ud83d\ude00b", headers=JSON)

    assert answer.status_code == 401 if path == "/api/auth/login" else answer.is_success


@pytest.mark.parametrize("path", [*PATHS, "/v1/completions", "/admin/login/"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["declared", "chunked"])
def test_body_over_the_limit_is_a_json_413(web: httpx.Client, path: str, is_chunked: bool) -> None:
    is_large = path.startswith("/v1/")
    setting = "MAX_ENGINE_BODY_BYTES" if is_large else "MAX_BODY_BYTES"
    most = MAX_ENGINE_BODY_BYTES if is_large else MAX_BODY_BYTES
    block = b"x" * (most // 2 + 10)

    answer = web.post(path, content=iter([block, block]) if is_chunked else block * 2, headers=JSON)

    assert (answer.status_code, error_of(answer)["code"]) == (413, "request_too_large")
    assert f"the {most} bytes that {setting} allows" in error_of(answer)["message"]


LARGE_IMAGE = "data:image/png;base64," + "A" * (MAX_ENGINE_BODY_BYTES - 1000)
WITH_IMAGE = {
    "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": LARGE_IMAGE}}]}]
}


@pytest.mark.parametrize("is_chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "//v1/chat/completions/"])
def test_what_is_for_the_engine_may_be_larger(
    web: httpx.Client, recording_engine: ScriptedEngine, path: str, is_chunked: bool
) -> None:
    recording_engine.received.clear()
    content = json.dumps(WITH_IMAGE).encode()

    answer = web.post(
        web.base_url.copy_with(raw_path=path.encode()),
        content=iter([content[:100_000], content[100_000:]]) if is_chunked else content,
        headers=JSON,
    )

    assert answer.status_code == 200
    assert recording_engine.received[0]["messages"] == WITH_IMAGE["messages"]


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "sk-nobody"}, {"Authorization": "Basic x"}], ids=repr)
@pytest.mark.parametrize("is_chunked", [False, True], ids=["declared", "chunked"])
def test_nobody_sends_large_requests(fort: GatewayProcess, headers: dict[str, str], is_chunked: bool) -> None:
    content = json.dumps(WITH_IMAGE).encode()

    answer = httpx.post(
        f"{fort.url}/v1/chat/completions",
        content=iter([content]) if is_chunked else content,
        headers=JSON | headers,
    )

    # Of a chunked body not a byte is read, as the credential is refused first.
    assert answer.status_code == (401 if is_chunked else 413)


def test_few_large_requests_are_held_at_a_time(fort: GatewayProcess) -> None:
    """Each is in memory until it is answered. With MAX_LARGE_BODIES=2 an account may have one of them."""
    path = "/v1/chat/completions"

    def send_another(client: httpx.Client) -> httpx.Response:
        return client.post(path, json=WITH_IMAGE)

    def refuse_another(client: httpx.Client) -> httpx.Response | None:
        for connection in connections:
            connection.sendall(b" " * 32 * 1024)  # enough for the body not to count as stalled
        answer = send_another(client)
        return answer if answer.is_error else None

    with fort.client("demo") as demo, fort.client("admin") as admin, ExitStack() as stack:
        connections = [stack.enter_context(open_request(fort, path, length=MAX_ENGINE_BODY_BYTES))]
        refused = wait_until(lambda: refuse_another(demo))
        other = send_another(admin)
        small = demo.post(path, json={"messages": []})
        stack.close()

        assert (refused.status_code, error_of(refused)["code"]) == (429, "concurrency_limit_exceeded")
        assert 0 < int(refused.headers["retry-after-ms"]) < 60_000
        assert (other.status_code, small.status_code) == (200, 200)
        assert wait_until(lambda: send_another(demo).is_success)


@pytest.mark.parametrize("path", ["/api/chat", "/api/auth/login"])
def test_body_declared_too_large_is_refused_before_it_is_sent(fort: GatewayProcess, path: str) -> None:
    with open_request(fort, path, length=MAX_BODY_BYTES + 1) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("is_chunked", [False, True], ids=["declared", "chunked"])
def test_import_may_be_larger_than_other_bodies(web: httpx.Client, is_chunked: bool) -> None:
    export = {"format": "vllm-chat-gateway", "version": 1, "conversations": []}
    block = json.dumps(export).encode() + b" " * MAX_BODY_BYTES

    def send() -> httpx.Response | None:
        """None while the place of the account's import before this one is not free yet."""
        answer = web.post("/api/conversations/import", content=iter([block]) if is_chunked else block)
        return None if answer.status_code == 429 else answer

    answer = wait_until(send)

    assert (answer.status_code, answer.json()["skipped_count"]) == (200, 0)


def test_import_by_somebody_with_a_cookie_may_be_large_too(fort: GatewayProcess) -> None:
    block = b'{"format": "vllm-chat-gateway", "version": 1}' + b" " * MAX_BODY_BYTES
    with httpx.Client(base_url=fort.url) as browser:
        browser.get("/admin/login/")
        form = {"username": "admin", "password": ADMIN_PASSWORD}
        browser.post("/admin/login/", data=form | {"csrfmiddlewaretoken": browser.cookies["csrftoken"]})

        token = {"X-CSRFToken": browser.cookies["csrftoken"]}
        answer = browser.post("/api/conversations/import", content=block, headers=token)

    assert answer.status_code == 200, answer.text


def test_account_sends_one_import_at_a_time(fort: GatewayProcess, web: httpx.Client) -> None:
    """Each may be as large as the disk has space, and lies there until its end has come."""

    def send_another() -> httpx.Response:
        export = {"format": "vllm-chat-gateway", "version": 1, "conversations": []}
        return web.post("/api/conversations/import", json=export)

    def refuse_another() -> httpx.Response | None:
        connection.sendall(b" " * 32 * 1024)  # enough for the body not to count as stalled
        answer = send_another()
        return answer if answer.is_error else None

    with open_request(fort, "/api/conversations/import", length=10**8) as connection:
        refused = wait_until(refuse_another)

    assert (refused.status_code, error_of(refused)["code"]) == (429, "concurrency_limit_exceeded")
    assert wait_until(lambda: send_another().is_success)


def test_account_sends_few_files_at_a_time(fort: GatewayProcess, web: httpx.Client) -> None:
    def send_another() -> httpx.Response:
        return web.post("/api/files", files={"file": ("a.txt", b"One more.")})

    def refuse_another() -> httpx.Response | None:
        for connection in connections:
            connection.sendall(b" " * 32 * 1024)
        answer = send_another()
        return answer if answer.is_error else None

    with ExitStack() as stack:
        connections = [
            stack.enter_context(open_request(fort, "/api/files", length=10**6))
            for _ in range(UPLOADS_AT_A_TIME)
        ]
        refused = wait_until(refuse_another)

    assert (refused.status_code, error_of(refused)["code"]) == (429, "concurrency_limit_exceeded")
    assert wait_until(lambda: send_another().is_success)


@pytest.mark.parametrize("path", ["/api/conversations/import", "/api/files"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer sk-nobody"}, {"Authorization": "Basic x"}, {"Cookie": "sessionid=nobody"}],
    ids=["nothing", "unknown key", "other scheme", "unknown cookie"],
)
def test_nobody_sends_large_files(fort: GatewayProcess, headers: dict[str, str], path: str) -> None:
    block = b"x" * (MAX_BODY_BYTES + 1)

    answer = httpx.post(f"{fort.url}{path}", content=block, headers=headers)

    assert answer.status_code == 413


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
        answer = b"".join(iter(partial(connection.recv, 65536), b""))

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


CHUNKED = b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
SIZED = b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
WITH_ID = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: mine"
NO_HTTP = {
    "two lengths": SIZED + b"5\r\nContent-Length: 6\r\n\r\nhello",
    "negative length": SIZED + b"-1\r\n\r\n",
    "length and chunks": CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "bad chunk": CHUNKED + b"\r\nzz\r\n",
    "NUL in the path": b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "NUL in a header": WITH_ID + b"\x00\r\n\r\n",
    "a bare LF": WITH_ID + b"\nSet-Cookie: forged=1\r\n\r\n",
    "a bare CR": WITH_ID + b"\rSet-Cookie: forged=1\r\n\r\n",
    "a folded header": WITH_ID + b"\r\n Set-Cookie: forged=1\r\n\r\n",
    "space before the colon": WITH_ID + b"\r\nX-Odd : 1\r\n\r\n",
    "many headers": WITH_ID + b"\r\n" + b"X-Many: 1\r\n" * (MAX_HEAD_BYTES // 11),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "another protocol": b"SSH-2.0-x\r\n",
}


@pytest.mark.parametrize("kind", NO_HTTP)
def test_what_is_no_http_is_refused(fort: GatewayProcess, kind: str) -> None:
    with socket.create_connection(("127.0.0.1", fort.port), timeout=10) as connection:
        connection.sendall(NO_HTTP[kind])
        answer = b"".join(iter(partial(connection.recv, 65536), b""))

    head, _blank, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"forged" not in answer
    assert (json.loads(body)["error"]["code"], json.loads(body)["error"]["param"]) == (
        "invalid_request",
        None,
    )
    assert b"content-type: application/json" in head
    assert re.search(rb"x-request-id: [0-9a-f]{32}\r\n", head)


def test_bytes_that_are_no_http_do_not_end_in_the_middle_of_an_answer(fort: GatewayProcess) -> None:
    request = b"GET /api/models/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n"
    with socket.create_connection(("127.0.0.1", fort.port), timeout=10) as connection:
        connection.sendall(request % fort.token().encode())
        answer = connection.recv(65536)
        connection.sendall(b"no HTTP\r\n\r\n")
        answer += b"".join(iter(partial(connection.recv, 65536), b""))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1
