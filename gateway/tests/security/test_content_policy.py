"""Every page works under the content security policy: looked at with Chromium, which tells violations."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.page_security import PAGE_POLICY, write_policy
from gateway.tests.admin_pages import registered_pages
from gateway.tests.databases import ADMIN_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.security.conftest import MAX_BODY_BYTES
from modelops.tests.admin.test_browser import browser_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["browser_page"]  # a fixture

PREPARE = """
from modelops.tests.fit_rows import record; record()
from modelops.tests.switch_rows import ask, make_ready, serve, write_log
make_ready("first", "second")
write_log(serve("first"), "INFO <script>alert(1)</script>")
ask("second")
"""

PAGE_HEADERS = {
    "content-security-policy": [write_policy(PAGE_POLICY)],
    "cross-origin-opener-policy": ["same-origin"],
    "referrer-policy": ["same-origin"],
    "x-content-type-options": ["nosniff"],
    "x-frame-options": ["DENY"],
}


@pytest.fixture(scope="module")
def busy_gateway(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    """A gateway in development mode with a row in every table that the admin shows."""
    with start_gateway(
        embedded_stores, tmp_path_factory.mktemp("policy"), simulator, DEBUG="true"
    ) as gateway:
        with gateway.client() as client:
            client.post("/api/chat", json={"content": "hello", "max_tokens": 2}).raise_for_status()
        gateway.manage("create_api_key", "demo", "--name", "policy")
        gateway.manage("shell", "--no-imports", "-c", PREPARE)
        yield gateway


@pytest.fixture
def signed_in(browser_page: Page, busy_gateway: GatewayProcess) -> Page:
    browser_page.goto(f"{busy_gateway.url}/admin/login/?next=/admin/")
    browser_page.fill("#id_username", "admin")
    browser_page.fill("#id_password", ADMIN_PASSWORD)
    browser_page.click("input[type=submit]")
    browser_page.wait_for_url("**/admin/")
    return browser_page


def admin_lists() -> list[str]:
    return [f"/admin/{m._meta.app_label}/{m._meta.model_name}/" for m in registered_pages()]


def visit_admin(page: Page, url: str) -> dict[str, int]:
    """The status of every list, its links, the form of its first row; of profiles, all pages of a row."""
    statuses: dict[str, int] = {}
    for path in ("/admin/", "/admin/password_change/", "/admin/modelops/modelprofile/fit/", *admin_lists()):
        statuses[path] = look(page, url + path)
        links = page.locator("#result_list tbody th a, .object-tools a").evaluate_all(
            "all => all.map(a => new URL(a.href).pathname).filter(path => !path.endsWith('/csv/'))"
        )
        rows = [link for link in links if link.endswith("/change/")]
        linked = [*(link for link in links if link not in rows), *rows[:1]]
        for row in rows[:1]:
            if "/modelprofile/" in row:
                linked += [row.replace("/change/", tail) for tail in ("/history/", "/delete/", "/switch/")]
        for link in linked:
            if link not in statuses:
                statuses[link] = look(page, url + link)
    return statuses


@pytest.mark.browser
def test_no_admin_page_breaks_the_policy(signed_in: Page, busy_gateway: GatewayProcess) -> None:
    told = listen(signed_in)

    statuses = visit_admin(signed_in, busy_gateway.url)

    assert told == []
    assert {path: status for path, status in statuses.items() if status != 200} == {}
    assert set(admin_lists()) <= set(statuses)
    assert any("/switch/" in path and path.startswith("/admin/modelops/switch/") for path in statuses)


def listen(page: Page) -> list[str]:
    """What the browser complains of from now on; a violation of the policy is an error on its console."""
    told: list[str] = []

    def note(kind: str, text: str) -> None:
        if kind == "error" and "/favicon.ico" not in text:
            told.append(f"{page.url}: {text}")

    page.on("console", lambda line: note(line.type, f"{line.text} {line.location}"))
    page.on("pageerror", lambda error: note("error", str(error)))
    return told


def look(page: Page, url: str) -> int:
    answer = page.goto(url)
    assert answer is not None
    return answer.status


@pytest.mark.browser
def test_swagger_page_works_under_the_same_policy(browser_page: Page, busy_gateway: GatewayProcess) -> None:
    told = listen(browser_page)

    browser_page.goto(f"{busy_gateway.url}/docs")
    browser_page.locator(".opblock-summary-path", has_text="/api/chat").first.wait_for()
    browser_page.locator(".opblock-summary", has_text="/api/auth/login").click()
    browser_page.get_by_role("button", name="Try it out").wait_for()

    assert told == []


@pytest.mark.browser
def test_what_a_page_brings_along_by_itself_is_not_run(signed_in: Page, busy_gateway: GatewayProcess) -> None:
    """Were there a hole in the escaping, the policy would stand behind it."""
    signed_in.goto(f"{busy_gateway.url}/admin/")

    signed_in.evaluate(
        "const s = document.createElement('script'); s.text = 'window.ran = 1'; document.body.append(s)"
    )

    assert signed_in.evaluate("window.ran") is None


@pytest.mark.parametrize("path", ["/admin/login/", "/", "/health", "/nowhere", "/api/auth/me"])
def test_every_answer_of_the_pages_plane_carries_the_policy(
    embedded_gateway: GatewayProcess, path: str
) -> None:
    headers = httpx.get(embedded_gateway.url + path).headers

    assert {name: headers.get_list(name) for name in PAGE_HEADERS} == PAGE_HEADERS


REFUSED_BEFORE_DJANGO = {
    "foreign host": (b"GET", b"Host: evil.example\r\n"),
    "too large": (b"POST", b"Host: localhost\r\nContent-Length: %d\r\n" % (MAX_BODY_BYTES + 1)),
    "stalled": (b"POST", b"Host: localhost\r\nContent-Length: 5\r\n"),
}


@pytest.mark.parametrize("kind", REFUSED_BEFORE_DJANGO)
@pytest.mark.parametrize("path", [b"/admin/login/", b"/api/auth/login"])
def test_answer_that_django_never_saw_carries_the_policy_too(
    fort: GatewayProcess, path: bytes, kind: str
) -> None:
    method, head = REFUSED_BEFORE_DJANGO[kind]
    with socket.create_connection(("127.0.0.1", fort.port), timeout=10) as connection:
        connection.sendall(method + b" " + path + b" HTTP/1.1\r\n" + head + b"\r\n")
        answer = http.client.HTTPResponse(connection, method=method.decode())
        answer.begin()

    assert answer.status in {400, 413}
    assert {name: answer.headers.get_all(name) for name in PAGE_HEADERS} == PAGE_HEADERS


def test_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    policy = write_policy(PAGE_POLICY)

    assert "unsafe" not in policy
    assert "*" not in policy
    assert "http" not in policy
    for needed in (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ):
        assert needed in policy
