"""The operators' desk, live: who is let in by which way, when it closes, and that both ways say the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gateway.desk_plane import EVENTS_PATH, NOT_ALLOWED, SIGNED_OUT, SOCKET_PATH
from gateway.tests.databases import ADMIN_PASSWORD, USER_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until

WAIT_S = 15
MESSAGE_TOO_BIG = 1009
PARTS = {"serving", "live", "load", "gpus", "boxes", "profiles", "recent", "usage", "alarms"}


@pytest.fixture(scope="module")
def web(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with start_gateway(stores, tmp_path_factory.mktemp("desk"), "", SHUTDOWN_TIMEOUT="30") as gateway:
        yield gateway


@contextmanager
def sign_in(web: GatewayProcess, username: str = "admin") -> Iterator[httpx.Client]:
    """A browser that is signed in at the page for that."""
    with httpx.Client(base_url=web.url, timeout=WAIT_S) as browser:
        post_sign_in(browser, username)
        yield browser


def post_sign_in(browser: httpx.Client, username: str) -> None:
    page = browser.get("/sign-in/").text
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found is not None
    password = ADMIN_PASSWORD if username == "admin" else USER_PASSWORD
    form = {"csrfmiddlewaretoken": found[1], "username": username, "password": password}
    assert browser.post("/sign-in/", data=form).status_code == 302


def cookies_of(browser: httpx.Client) -> str:
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


@contextmanager
def open_socket(
    web: GatewayProcess, *, cookie: str = "", origin: str | None = None, token: str = "", query: str = ""
) -> Iterator[ClientConnection]:
    headers = {"Cookie": cookie} if cookie else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    url = f"ws://127.0.0.1:{web.port}{SOCKET_PATH}{query}"
    with connect(url, additional_headers=headers, origin=origin, open_timeout=WAIT_S) as socket:  # type: ignore[arg-type]  # a plain string
        yield socket


def next_desk(socket: ClientConnection) -> dict[str, Any]:
    """The next message that is no ping."""
    while True:
        message: dict[str, Any] = json.loads(socket.recv(timeout=WAIT_S))
        if message["type"] != "ping":
            return message


def closing_code(socket: ClientConnection) -> int:
    """The code with which the server closes, whatever it says before that."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            socket.recv(timeout=WAIT_S)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def test_administrators_browser_is_told_everything_and_then_what_changes(web: GatewayProcess) -> None:
    with sign_in(web) as browser, open_socket(web, cookie=cookies_of(browser), origin=web.url) as socket:
        first = next_desk(socket)
        web.manage(
            "shell",
            "--no-imports",
            "-c",
            "from modelops.tests.fit_rows import save_simulated as s; s('new-one')",
        )
        while "profiles" not in (later := next_desk(socket))["parts"]:
            pass

    assert set(first["parts"]) == PARTS
    assert "new-one" in {card["slug"] for card in later["parts"]["profiles"]}
    assert set(later["parts"]) < PARTS


def test_program_with_an_administrators_token_follows_without_a_cookie(web: GatewayProcess) -> None:
    with open_socket(web, token=web.token("admin")) as socket:
        assert set(next_desk(socket)["parts"]) == PARTS


def test_user_and_stranger_are_sent_away(web: GatewayProcess) -> None:
    with (
        sign_in(web, "demo") as browser,
        open_socket(web, cookie=cookies_of(browser), origin=web.url) as socket,
    ):
        assert closing_code(socket) == NOT_ALLOWED
    with open_socket(web, token=web.token("demo")) as socket:
        assert closing_code(socket) == NOT_ALLOWED
    for made_up in ("", "sessionid=0123456789abcdef0123456789abcdef"):
        with open_socket(web, cookie=made_up, origin=web.url) as socket:
            assert closing_code(socket) == SIGNED_OUT


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
def test_cookie_from_a_page_of_another_origin_is_refused_before_the_handshake(
    web: GatewayProcess, origin: str | None
) -> None:
    with (
        sign_in(web) as browser,
        pytest.raises(InvalidStatus) as refused,
        open_socket(web, cookie=cookies_of(browser), origin=origin),
    ):
        pass

    assert refused.value.response.status_code == 403


def test_no_other_path_has_a_socket(web: GatewayProcess) -> None:
    with (
        pytest.raises(InvalidStatus),
        connect(f"ws://127.0.0.1:{web.port}/ws/other/", open_timeout=WAIT_S),
    ):
        pass


def test_desk_closes_when_its_session_ends(web: GatewayProcess) -> None:
    with sign_in(web) as browser, open_socket(web, cookie=cookies_of(browser), origin=web.url) as socket:
        next_desk(socket)
        page = browser.get("/admin/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None
        browser.post("/sign-out/", data={"csrfmiddlewaretoken": token[1]})

        assert closing_code(socket) == SIGNED_OUT


def test_what_a_desk_says_is_not_listened_to_and_may_not_be_long(web: GatewayProcess) -> None:
    with open_socket(web, token=web.token("admin")) as socket:
        next_desk(socket)
        socket.send("hello")
        socket.send("x" * 10_000)

        assert closing_code(socket) == MESSAGE_TOO_BIG


def test_events_and_polling_say_what_the_socket_says(web: GatewayProcess) -> None:
    with sign_in(web) as browser:
        with open_socket(web, cookie=cookies_of(browser), origin=web.url) as socket:
            by_socket = next_desk(socket)
        with browser.stream("GET", EVENTS_PATH) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            line = next(line for line in stream.iter_lines() if line.startswith("data: "))
        by_polling = browser.get("/api/models/desk").json()

    assert json.loads(line.removeprefix("data: ")) == by_socket == by_polling


@pytest.mark.parametrize(("username", "status"), [("", 401), ("demo", 403)])
def test_events_are_for_administrators(web: GatewayProcess, username: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {web.token(username)}"} if username else {}

    for path in (EVENTS_PATH, "/api/models/desk", "/api/models/desk/history"):
        answer = httpx.get(web.url + path, headers=headers)
        assert answer.status_code == status
        assert answer.json()["error"]["code"]


def test_sentences_come_in_the_language_that_is_asked_for(web: GatewayProcess) -> None:
    web.manage(
        "shell",
        "--no-imports",
        "-c",
        "from modelops.tests.switch_rows import announce_switcher as a; a(age_s=90)",
    )

    with open_socket(web, token=web.token("admin"), query="?language=ko") as socket:
        messages = [alarm["message"] for alarm in next_desk(socket)["parts"]["alarms"]]

    assert any("전환 프로세스" in message for message in messages)


def test_open_desks_do_not_keep_a_process_from_stopping(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with start_gateway(stores, tmp_path_factory.mktemp("stopping"), "", SHUTDOWN_TIMEOUT="60") as gateway:
        token = gateway.token("admin")
        headers = {"Authorization": f"Bearer {token}"}
        with (
            open_socket(gateway, token=token) as socket,
            httpx.stream("GET", gateway.url + EVENTS_PATH, headers=headers, timeout=WAIT_S) as stream,
        ):
            next_desk(socket)
            lines = stream.iter_lines()
            next(lines)
            assert gateway.process is not None
            gateway.process.terminate()

            wait_until(
                lambda: gateway.process is not None and gateway.process.poll() is not None, timeout_s=WAIT_S
            )
            assert list(lines)[-1] == ""
