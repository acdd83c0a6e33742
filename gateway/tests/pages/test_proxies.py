"""Real proxies on the configuration of `deploy/`, with TLS on a port other than 443."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect
from pypdf import PdfWriter

from conversations.tests.sample_files import pdf
from gateway.tests.databases import ADMIN_PASSWORD, USER_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.needs import NeedMissing, skip_loudly
from gateway.tests.pages.browsers import Visitor, visiting
from gateway.tests.pages.chats import answers_of, box_of, send, wait_for_end, wait_for_text
from gateway.tests.pages.speaking_engine import SpeakingEngine
from gateway.tests.proxies import Proxy, start_caddy, start_nginx
from modelops.simulator.process import find_free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

BEHIND_TLS = {"SECURE_COOKIES": "true", "TRUSTED_PROXY_HOPS": "1", "HSTS_SECONDS": "31536000"}
BASE_PATH = "/gateway"
UPLOAD_BYTES = 20_000_000
FOREIGN_ADDRESSES = """(prefix) => {
    const parts = [...document.querySelectorAll("a[href], link[href], script[src], img[src], form[action]")];
    const found = parts.map((each) => new URL(each.href || each.src || each.action, location.href));
    const isForeign = (url) => url.origin === location.origin && !url.pathname.startsWith(prefix);
    return found.filter(isForeign).map(String);
}"""
STARTERS: dict[str, Callable[[Path, int], AbstractContextManager[Proxy]]] = {
    "nginx": start_nginx,
    "caddy": start_caddy,
}


@pytest.fixture(scope="module")
def gateway(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, speaker: SpeakingEngine
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("behind-proxy")
    settings = {**BEHIND_TLS, "LOGIN_RATE": "10/h"}
    with start_gateway(embedded_stores, folder, speaker.url, **settings) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=STARTERS)
def proxy(
    request: pytest.FixtureRequest, gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    try:
        with STARTERS[request.param](tmp_path_factory.mktemp(request.param), gateway.port) as proxy:
            yield proxy
    except NeedMissing as exc:
        skip_loudly(f"behind {request.param}", exc)


@pytest.fixture
def client(proxy: Proxy, gateway: GatewayProcess) -> Iterator[httpx.Client]:
    """The demo user's, by way of the proxy."""
    headers = {"Authorization": f"Bearer {gateway.token()}"}
    with httpx.Client(base_url=proxy.url, verify=proxy.trust, headers=headers, timeout=30) as client:
        yield client


def large_pdf(text: str) -> bytes:
    """One page, and 20 MB beside it."""
    writer = PdfWriter(clone_from=io.BytesIO(pdf(text)))
    writer.add_attachment("measurements.bin", bytes(UPLOAD_BYTES))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def sign_in_to_admin(visitor: Visitor) -> None:
    """By the form, as people do: the browser sends its Origin."""
    page = visitor.page
    page.goto(f"{visitor.url}/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Log in").click()


def test_administrator_signs_in_over_https_and_the_desk_is_live(chromium: Browser, proxy: Proxy) -> None:
    with visiting(chromium, proxy.url, ignore_https_errors=True) as visitor:
        sign_in_to_admin(visitor)

        feed = visitor.page.locator(".desk-feed")
        expect(feed).to_have_attribute("data-feed", "live")
        expect(feed).to_have_attribute("data-way", "websocket")
        assert all(cookie["secure"] for cookie in visitor.context.cookies())


def test_answer_arrives_piece_by_piece(client: httpx.Client, speaker: SpeakingEngine) -> None:
    body = {"model": "current", "messages": [{"role": "user", "content": "Hi"}], "stream": True}

    speaker.say("first")
    with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        pieces = answer.iter_text()
        heard = next(pieces)
        while "first" not in heard:
            heard += next(pieces)
        # Only now does the engine go on: whatever held the first piece back would wait for ever.
        speaker.say("second")
        speaker.end()
        heard += "".join(pieces)

    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert heard.index("first") < heard.index("second")
    assert heard.endswith("data: [DONE]\n\n")


def test_engine_hears_of_a_reader_that_left(
    client: httpx.Client, speaker: SpeakingEngine, gateway: GatewayProcess
) -> None:
    body = {"model": "current", "messages": [{"role": "user", "content": "Hi"}], "stream": True}

    speaker.say("first")
    with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        next(answer.iter_text())
        request_id = answer.headers["x-request-id"]

    def find_outcome() -> str | None:
        ended = (line for line in gateway.log_events("request") if line["request_id"] == request_id)
        return next((line["outcome"] for line in ended), None)

    assert wait_until(find_outcome, what="the answer to end") == "cancelled"
    speaker.fall_silent()


def test_bodies_are_bounded_by_the_gateway_alone(client: httpx.Client, proxy: Proxy) -> None:
    document = large_pdf(proxy.url)

    stored = client.post("/api/files", files={"file": ("report.pdf", document)})
    refused = client.post(
        "/v1/chat/completions", content=document, headers={"Authorization": "Bearer nobody"}
    )

    assert (stored.status_code, stored.json().get("size_bytes")) == (201, len(document)), stored.text
    assert refused.status_code == 413
    assert "MAX_BODY_BYTES" in refused.json()["error"]["message"]


def test_client_cannot_choose_its_address_and_is_led_to_https(proxy: Proxy, gateway: GatewayProcess) -> None:
    elsewhere = f"127.0.{proxy.port >> 8}.{proxy.port & 255}"  # not the proxy's own, nor of another test
    transport = httpx.HTTPTransport(verify=proxy.trust, local_address=elsewhere)
    with httpx.Client(base_url=proxy.url, transport=transport) as client:
        statuses = [
            client.post(
                "/api/auth/login",
                json={"username": f"nobody-{proxy.port}-{number}", "password": "wrong"},
                headers={"X-Forwarded-For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"},
            ).status_code
            for number in range(14)
        ]
        redirected = client.get(f"http://localhost:{proxy.http_port}/chat/?a=b")
        metrics = client.get("/metrics")
        page = client.get("/sign-in/")

    attempts = [line for line in gateway.log_events("request") if line["path"] == "/api/auth/login"]
    assert {line["client"] for line in attempts[-14:]} == {elsewhere}
    assert statuses[:10] == [401] * 10
    assert statuses[10:] == [429] * 4
    assert (redirected.status_code, redirected.headers["location"]) == (308, f"{proxy.url}/chat/?a=b")
    assert metrics.status_code == 404
    assert page.headers.get_list("strict-transport-security") == ["max-age=31536000"]


@pytest.mark.parametrize("name", STARTERS)
def test_gateway_that_is_down_is_told_in_the_form_that_each_client_reads(name: str, tmp_path: Path) -> None:
    try:
        with STARTERS[name](tmp_path, find_free_port()) as proxy, httpx.Client(verify=proxy.trust) as client:
            answers = {path: client.get(f"{proxy.url}{path}") for path in ("/v1/models", "/api/auth/me")}
            anthropic = client.post(f"{proxy.url}/v1/messages", json={})
            page = client.get(f"{proxy.url}/chat/")
    except NeedMissing as exc:
        skip_loudly(f"behind {name}", exc)

    for answer in (*answers.values(), anthropic, page):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    for answer in answers.values():
        error = answer.json()["error"]
        assert (error["type"], error["code"]) == ("service_unavailable_error", "gateway_unavailable")
        assert set(error) == {"message", "type", "param", "code"}
    assert anthropic.json()["error"]["details"]["error_code"] == "gateway_unavailable"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "지금 채팅에 연결할 수 없습니다" in page.text


@pytest.fixture(scope="module")
def below_path(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, speaker: SpeakingEngine
) -> Iterator[GatewayProcess]:
    """A gateway below a path of a host that it shares."""
    settings = {**BEHIND_TLS, "BASE_PATH": BASE_PATH, "SHARED_LINKS": "true"}
    with start_gateway(embedded_stores, tmp_path_factory.mktemp("below"), speaker.url, **settings) as gateway:
        gateway.url += BASE_PATH
        yield gateway


@pytest.fixture(scope="module")
def shared_host(below_path: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    try:
        with start_nginx(
            tmp_path_factory.mktemp("shared-host"), below_path.port, base_path=BASE_PATH
        ) as proxy:
            yield proxy
    except NeedMissing as exc:
        skip_loudly("below a path", exc)


def expect_own_addresses(page: Page) -> None:
    """Nothing on the page leads to a path of the host that is not the gateway's."""
    assert page.evaluate(FOREIGN_ADDRESSES, f"{BASE_PATH}/") == []


def test_everything_works_below_a_path(
    chromium: Browser, shared_host: Proxy, below_path: GatewayProcess, speaker: SpeakingEngine
) -> None:
    site = f"{shared_host.url}{BASE_PATH}"
    with visiting(chromium, site, ignore_https_errors=True) as visitor:
        page = visitor.page
        page.goto(f"{site}/")
        expect_own_addresses(page)
        page.get_by_label("User name").fill("demo")
        page.get_by_label("Password", exact=True).fill(USER_PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        box_of(page).wait_for()
        send(page, "Hi")
        speaker.answer("Hello from below.")
        wait_for_end(page)

        wait_for_text(answers_of(page), "Hello from below.")
        expect(page).to_have_url(re.compile(f"^{site}/chat/#"))
        expect_own_addresses(page)
        assert {(cookie["path"], cookie["secure"]) for cookie in visitor.context.cookies()} == {
            (BASE_PATH, True)
        }
        page.goto(f"{site}/account/")
        page.get_by_role("link", name="Back to the chat").wait_for()
        expect_own_addresses(page)
        with below_path.client() as client:
            (conversation,) = client.get("/api/conversations").json()["data"]
            link = client.post(f"/api/conversations/{conversation['id']}/shares", json={}).json()
            models = client.get("/v1/models")
        page.goto(f"{shared_host.url}{link['page']}")
        wait_for_text(page.get_by_role("main"), "Hello from below.")

    assert models.status_code == 200
    with visiting(chromium, site, ignore_https_errors=True) as operator:
        sign_in_to_admin(operator)
        expect(operator.page.locator(".desk-feed")).to_have_attribute("data-way", "websocket")
        expect_own_addresses(operator.page)


def test_outside_its_path_the_gateway_answers_probes_alone(below_path: GatewayProcess) -> None:
    root = f"http://127.0.0.1:{below_path.port}"

    stripped = httpx.get(f"{root}/v1/models")
    health = httpx.get(f"{root}/health")

    assert stripped.status_code == 404
    assert BASE_PATH in stripped.json()["error"]["message"]
    assert health.status_code == 200
