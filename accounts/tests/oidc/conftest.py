"""A gateway with an identity provider, in this process."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from accounts import backends, services
from accounts.pages import views
from accounts.tests.oidc.scripted_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    ScriptedProvider,
    start_scripted_provider,
)
from accounts.tests.rest import client_at
from gateway import conf

START = "/sign-in/oidc/"
CALLBACK = "/sign-in/oidc/callback/"


@dataclass
class Flow:
    """One sign-in of one browser."""

    provider: ScriptedProvider
    client: Client = field(default_factory=client_at)
    asked: dict[str, str] = field(default_factory=dict)
    """What the provider was asked for."""

    def start(self, path: str = START) -> dict[str, str]:
        response = self.client.get(path)
        assert response.status_code == 302, response.content
        url = urlsplit(response.headers["Location"])
        assert f"{url.scheme}://{url.netloc}{url.path}" == f"{self.provider.url}/authorize"
        self.asked = dict(parse_qsl(url.query))
        self.provider.nonce = self.asked["nonce"]
        return self.asked

    def finish(self, **query: str) -> Any:
        return self.client.get(CALLBACK, {"code": "a-code", "state": self.asked["state"], **query})

    def sign_in(self, path: str = START) -> Any:
        self.start(path)
        return self.finish()

    def signed_in_as(self) -> str:
        """The user name of whom the cookie is, empty for nobody."""
        answer = self.client.get("/api/auth/me")
        return str(answer.json()["username"]) if answer.status_code == 200 else ""


def challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def reason_of(response: Any) -> str:
    """Why the browser was sent back to the sign-in page; empty when it was not."""
    url = urlsplit(response.headers.get("Location", ""))
    return dict(parse_qsl(url.query)).get("refused", "") if url.path == "/sign-in/" else ""


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with start_scripted_provider() as running:
        yield running
        cache.clear()


@pytest.fixture
def configure(
    provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Callable[..., None]:
    """Sets the provider up, with more settings by the names of their fields."""
    usual = conf.get_config()
    settings.AUTHENTICATION_BACKENDS = [
        *settings.AUTHENTICATION_BACKENDS,
        "accounts.oidc.flow.OidcBackend",
    ]

    def configure(**more: Any) -> None:
        good = {"oidc_issuer": provider.url, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
        config = replace(usual, **(good | more))
        for module in (conf, backends, services, views):
            monkeypatch.setattr(module, "get_config", lambda: config)

    configure()
    return configure


@pytest.fixture
def flow(provider: ScriptedProvider, configure: Callable[..., None]) -> Flow:
    return Flow(provider)
