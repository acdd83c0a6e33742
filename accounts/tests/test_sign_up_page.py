"""The page for signing up, and the choice of language: what they do besides what a browser shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts import services
from accounts.models import AuditEvent, Session, User
from accounts.pages import views
from accounts.tests.rest import PASSWORD, client_at
from gateway.conf import get_config

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_hashes(settings: Settings) -> None:
    settings.LOGIN_RATE = "1000/m"  # the name is the same in all of these tests
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def client() -> Client:
    """At an address of its own: others' attempts are not counted against it."""
    return client_at()


@pytest.fixture
def open_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(get_config(), registration=True)
    for module in (services, views):
        monkeypatch.setattr(module, "get_config", lambda: config)


def sign_up(client: Client, path: str = "/sign-up/", **more: str) -> Any:
    return client.post(path, {"username": "newcomer", "password": PASSWORD, **more})


@pytest.mark.usefixtures("open_registration")
def test_newcomer_is_a_plain_user_with_a_session_of_the_cookie_and_on_record(client: Client) -> None:
    response = sign_up(client, role="admin", is_staff="on", is_superuser="on")

    user = User.objects.get()
    assert (response.status_code, response.headers["Location"]) == (302, "/chat/")
    assert (user.role, user.is_superuser) == ("user", False)
    assert Session.objects.get().kind == Session.Kind.COOKIE
    registered = AuditEvent.objects.get(action=AuditEvent.Action.USER_REGISTERED)
    assert registered.via == "page"


@pytest.mark.usefixtures("open_registration")
def test_cookie_of_a_newcomer_gets_a_token_for_the_page(client: Client) -> None:
    sign_up(client)

    assert client.post("/api/auth/page-token").status_code == 200


def test_nobody_signs_up_while_it_is_switched_off(client: Client) -> None:
    assert client.get("/sign-up/").status_code == 403
    assert sign_up(client).status_code == 403
    assert not User.objects.exists()


@pytest.mark.usefixtures("open_registration")
def test_attempts_from_one_address_are_limited(client: Client, settings: Settings) -> None:
    settings.LOGIN_RATE = "2/h"

    answers = []
    for n in range(3):
        client.cookies.clear()
        answers.append(sign_up(client, username=f"newcomer-{n}"))

    assert [answer.status_code for answer in answers] == [302, 302, 429]
    # A minute, or what is left of the hour.
    assert 0 < int(answers[2].headers["Retry-After"]) <= 60
    assert "Try again in" in answers[2].content.decode()


@pytest.mark.usefixtures("open_registration")
@pytest.mark.parametrize(
    "more", [{"username": "admin"}, {"username": "a" * 200}, {"email": "nobody"}, {"password": "short"}]
)
def test_what_the_api_refuses_the_page_refuses(client: Client, more: dict[str, str]) -> None:
    response = sign_up(client, **more)

    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert not User.objects.exists()


@pytest.mark.usefixtures("open_registration")
@pytest.mark.parametrize("address", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere"])
def test_signing_up_leads_nowhere_else(client: Client, address: str) -> None:
    assert sign_up(client, next=address).headers["Location"] == "/chat/"


@pytest.mark.usefixtures("open_registration")
def test_whoever_is_in_is_led_on(client: Client) -> None:
    client.force_login(User.objects.create_user("mina"))

    assert client.get("/sign-up/?next=/account/").headers["Location"] == "/account/"


@pytest.mark.usefixtures("open_registration")
def test_another_site_signs_nobody_up(client: Client) -> None:
    client.handler.enforce_csrf_checks = True

    assert sign_up(client).status_code == 403
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("following", "leads_to"),
    [("/sign-in/?next=/chat/", "/sign-in/?next=/chat/"), ("https://elsewhere.example/", "/")],
)
def test_language_is_kept_in_a_cookie_and_leads_back(client: Client, following: str, leads_to: str) -> None:
    response = client.post("/language/", {"language": "ko", "next": following})

    assert response.cookies["django_language"].value == "ko"
    assert (response.status_code, response.headers["Location"]) == (302, leads_to)


@pytest.mark.parametrize("language", ["de", "", "x" * 5000])
def test_language_that_there_is_not_is_refused(client: Client, language: str) -> None:
    user = User.objects.create_user("mina", locale="ko")
    client.force_login(user)

    response = client.post("/language/", {"language": language})

    user.refresh_from_db()
    assert (response.status_code, user.locale) == (400, "ko")
    assert "django_language" not in response.cookies
