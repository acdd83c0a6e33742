"""Paths and schemes as clients send them, where the gateway is below a path of its host or behind TLS."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from gateway.conf import BASE_DIR, GatewayConfig
from gateway.errors import NotFound
from gateway.public_address import OUTSIDE, BasePath, DjangoPlane

FIXED_ADDRESS = re.compile(r"""(href|action|src)=["']/|(location\.assign|fetch|EventSource)\(["'`]/""")
"""Of a path that is below a base path where there is one."""


class KeptScopes:
    """An application that keeps what it is called with."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)


async def nothing(*_: Any) -> Any:
    raise AssertionError("nobody listens")


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("/chat/chat/", "/chat/"),
        ("/chat/v1/models", "/v1/models"),
        ("/chat/", "/"),
        ("/chat", "/"),
        ("/chat/health", "/health"),
        ("/health", "/health"),
        ("/chatter/", OUTSIDE),
        ("/v1/models", OUTSIDE),
        ("/", OUTSIDE),
    ],
)
async def test_paths_below_the_base_path_are_the_gateways_and_no_others_but_probes(
    path: str, inner: str
) -> None:
    app = KeptScopes()

    for kind in ("http", "websocket"):
        await BasePath(app, "/chat", at_root={"/health"})({"type": kind, "path": path}, nothing, nothing)

    assert [scope["path"] for scope in app.scopes] == [inner, inner]


@pytest.mark.parametrize(("is_https", "scheme"), [(True, "https"), (False, "http")])
async def test_django_gets_the_address_that_the_client_sent(is_https: bool, scheme: str) -> None:
    django = KeptScopes()
    plane = DjangoPlane(django, GatewayConfig(base_path="/chat", secure_cookies=is_https))

    await plane({"type": "http", "path": "/admin/", "scheme": "http"}, nothing, nothing)

    assert [(scope["path"], scope["scheme"]) for scope in django.scopes] == [("/chat/admin/", scheme)]


async def test_path_outside_the_base_path_says_what_the_proxy_has_to_do() -> None:
    plane = DjangoPlane(KeptScopes(), GatewayConfig(base_path="/chat"))

    with pytest.raises(NotFound, match=r"answers below /chat .* pass on"):
        await plane({"type": "http", "path": OUTSIDE}, nothing, nothing)


async def test_path_that_is_empty_is_left_to_django_at_the_root_of_a_host() -> None:
    django = KeptScopes()

    await DjangoPlane(django, GatewayConfig())({"type": "http", "path": ""}, nothing, nothing)

    assert [scope["path"] for scope in django.scopes] == [""]


def test_pages_and_scripts_ask_for_their_own_addresses() -> None:
    scripts = (BASE_DIR / "gateway" / "static" / "pages" / "js").rglob("*.js")
    templates = (BASE_DIR / "templates").rglob("*.html")

    fixed = {
        f"{path.relative_to(BASE_DIR)}: {line.strip()}"
        for path in (*scripts, *templates)
        for line in path.read_text().splitlines()
        if FIXED_ADDRESS.search(line)
    }

    assert fixed == set(), "addressOf(…) in scripts, {% url … %} in templates"
