"""The admin's cookies, and the way in behind a proxy that ends TLS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.cookies import SimpleCookie

import httpx
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from gateway.conf import GatewayConfig, own_origins
from gateway.tests.databases import ADMIN_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway

HOST = "chat.example.com"


def view_of_somebody_in_haste(request: HttpRequest) -> HttpResponse:
    """As Django's tutorial has it: the admin and REST check forms and cookies themselves, this does not."""
    return HttpResponse("done")


urlpatterns = [path("hasty", view_of_somebody_in_haste)]


@pytest.fixture(scope="module")
def behind_tls(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    """A gateway as it stands behind a proxy that ends TLS: itself it sees plain http."""
    settings = {"ALLOWED_HOSTS": HOST, "SECURE_COOKIES": "true", "CORS_ORIGINS": "https://pages.example.com"}
    with start_gateway(embedded_stores, tmp_path_factory.mktemp("tls"), simulator, **settings) as gateway:
        yield gateway


def sign_in(gateway: GatewayProcess, *, origin: str) -> httpx.Response:
    """Sign in to the admin as a browser does, cookies of https by hand because the test speaks http."""
    headers = {"Host": HOST, "Origin": origin, "Referer": f"{origin}/admin/login/"}
    page = httpx.get(f"{gateway.url}/admin/login/", headers={"Host": HOST})
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token is not None
    cookies = "; ".join(f"{c.key}={c.value}" for c in read_cookies(page).values())
    return httpx.post(
        f"{gateway.url}/admin/login/",
        headers=headers | {"Cookie": cookies},
        data={
            "username": "admin",
            "password": ADMIN_PASSWORD,
            "csrfmiddlewaretoken": token[1],
            "next": "/admin/",
        },
    )


def read_cookies(response: httpx.Response) -> SimpleCookie:
    jar = SimpleCookie()
    for header in response.headers.get_list("set-cookie"):
        jar.load(header)
    return jar


def test_admin_login_works_behind_a_proxy_and_its_cookies_are_for_https_only(
    behind_tls: GatewayProcess,
) -> None:
    answer = sign_in(behind_tls, origin=f"https://{HOST}")

    cookies = read_cookies(answer)
    assert answer.status_code == 302
    assert set(cookies) >= {"sessionid", "csrftoken"}
    for cookie in cookies.values():
        assert cookie["secure"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"


@pytest.mark.parametrize("origin", ["https://evil.example", "https://pages.example.com", "null"])
def test_page_of_another_origin_does_not_sign_in(behind_tls: GatewayProcess, origin: str) -> None:
    """Not even one that may call the API: that is done with tokens."""
    assert sign_in(behind_tls, origin=origin).status_code == 403


@pytest.mark.urls(__name__)
def test_no_view_takes_a_form_without_our_token() -> None:
    client = Client(enforce_csrf_checks=True)

    assert client.get("/hasty").status_code == 200
    assert client.post("/hasty", {"a": "1"}).status_code == 403


@pytest.mark.parametrize(
    ("hosts", "origins"),
    [
        (("chat.example.com",), ["https://chat.example.com"]),
        ((".example.com",), ["https://*.example.com"]),
        (("*",), []),
    ],
)
def test_own_origins_are_the_allowed_hosts_over_https(hosts: tuple[str, ...], origins: list[str]) -> None:
    assert own_origins(GatewayConfig(allowed_hosts=hosts, secure_cookies=True)) == origins


def test_own_origins_on_plain_http_need_no_help() -> None:
    assert own_origins(GatewayConfig(allowed_hosts=("chat.example.com",))) == []
