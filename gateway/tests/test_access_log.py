"""The access log says who asked, with what kind of credential and from where, on both planes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.tests.databases import ADMIN_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from modelops.simulator.process import start_simulator

CHAT = {"content": "hello", "max_tokens": 1, "store": False}
ADDRESS = "203.0.113.7"


@pytest.fixture(scope="module")
def proxied(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that believes the last entry of X-Forwarded-For."""
    with (
        start_simulator("--served-model-name", "simulated") as engine,
        start_gateway(
            stores, tmp_path_factory.mktemp("proxied"), engine.base_url, TRUSTED_PROXY_HOPS="1"
        ) as gateway,
    ):
        yield gateway


def id_of(gateway: GatewayProcess, username: str) -> str:
    with gateway.client(username) as client:
        return str(client.get("/api/auth/me").json()["id"])


def ask(gateway: GatewayProcess, request_id: str, credential: str, method: str, path: str) -> int:
    headers = {
        "Authorization": f"Bearer {credential}",
        "X-Request-Id": request_id,
        "X-Forwarded-For": f"198.51.100.9, {ADDRESS}",
    }
    body = CHAT if method == "POST" else None
    return httpx.request(method, f"{gateway.url}{path}", json=body, headers=headers, timeout=30).status_code


def line_of(gateway: GatewayProcess, request_id: str) -> dict[str, Any]:
    def found() -> list[dict[str, Any]]:
        return [line for line in gateway.log_events("request") if line["request_id"] == request_id]

    wait_until(found, what="the line of the access log")
    return found()[0]


def caller(line: dict[str, Any]) -> tuple[str | None, str | None, str]:
    return line.get("user_id"), line.get("credential"), line["client"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/chat"), ("GET", "/v1/models"), ("GET", "/api/conversations")]
)
@pytest.mark.parametrize("kind", ["session", "key"])
def test_line_names_account_credential_and_address(
    proxied: GatewayProcess, kind: str, method: str, path: str
) -> None:
    demo = id_of(proxied, "demo")
    scopes = ("--scope", "chat", "--scope", "history", "--scope", "models:read")
    credential = (
        proxied.token()
        if kind == "session"
        else proxied.manage("create_api_key", "demo", "--quiet", *scopes).strip()
    )
    request_id = f"line-{kind}-{path.rpartition('/')[2]}"

    assert ask(proxied, request_id, credential, method, path) == 200

    line = line_of(proxied, request_id)
    assert caller(line) == (demo, kind, ADDRESS)
    # Its id is the beginning of a key, which is no secret.
    assert ("key_id" in line) == (kind == "key")


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/chat"), ("GET", "/api/conversations")])
def test_line_of_a_key_without_the_scope_names_it_all_the_same(
    proxied: GatewayProcess, method: str, path: str
) -> None:
    demo = id_of(proxied, "demo")
    key = proxied.manage("create_api_key", "demo", "--quiet", "--scope", "models:read").strip()
    request_id = f"narrow-{path.rpartition('/')[2]}"

    assert ask(proxied, request_id, key, method, path) == 403

    assert caller(line_of(proxied, request_id)) == (demo, "key", ADDRESS)


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/chat"), ("GET", "/api/conversations")])
def test_line_without_a_good_credential_has_the_address_alone(
    proxied: GatewayProcess, method: str, path: str
) -> None:
    request_id = f"stranger-{path.rpartition('/')[2]}"

    assert ask(proxied, request_id, "nonsense", method, path) == 401

    assert caller(line_of(proxied, request_id)) == (None, None, ADDRESS)


def test_line_of_an_admin_page_names_the_cookies_account(proxied: GatewayProcess) -> None:
    admin = id_of(proxied, "admin")
    with httpx.Client(base_url=proxied.url, headers={"X-Forwarded-For": ADDRESS}, timeout=30) as browser:
        browser.get("/admin/login/")
        form = {"username": "admin", "password": ADMIN_PASSWORD, "next": "/admin/"}
        browser.post("/admin/login/", data=form | {"csrfmiddlewaretoken": browser.cookies["csrftoken"]})

        page = browser.get("/admin/", headers={"X-Request-Id": "line-cookie"})

    assert page.status_code == 200
    assert caller(line_of(proxied, "line-cookie")) == (admin, "cookie", ADDRESS)
