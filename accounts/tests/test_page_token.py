"""The token by which a page that a cookie is signed in on speaks to the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, Session, User
from accounts.tests.rest import client_with

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"


@pytest.fixture
def mina() -> User:
    return User.objects.create_user("mina", password=PASSWORD)


@pytest.fixture
def browser(mina: User) -> Client:
    browser = Client(enforce_csrf_checks=True)
    browser.get("/sign-in/")
    answer = browser.post("/sign-in/", {"username": "mina", "password": PASSWORD, **csrf(browser)})
    assert answer.status_code == 302
    return browser


def csrf(browser: Client) -> dict[str, str]:
    return {"csrfmiddlewaretoken": browser.cookies["csrftoken"].value}


def ask(client: Client, **headers: str) -> Any:
    return client.post("/api/auth/page-token", content_type="application/json", headers=headers)


def ask_as_page(browser: Client) -> Any:
    return ask(browser, **{"X-CSRFToken": browser.cookies["csrftoken"].value})


def test_token_speaks_for_the_account_until_the_cookie_is_signed_out(browser: Client) -> None:
    answer = ask_as_page(browser)
    body = answer.json()
    page = client_with(body["access_token"])
    assert (answer.status_code, body["token_type"], body["expires_in"]) == (200, "Bearer", 1800)
    assert page.get("/api/auth/me").json()["username"] == "mina"

    browser.post("/sign-out/", csrf(browser))

    assert page.get("/api/auth/me").json()["error"]["code"] == "token_revoked"
    session = Session.objects.get()
    assert (session.kind, session.revoked_reason) == ("cookie", "logout")
    assert {event.via for event in AuditEvent.objects.filter(actor_name="mina")} == {"page"}


def test_page_of_another_site_gets_none(browser: Client) -> None:
    assert ask(browser).status_code == 403


def test_token_gets_no_other_token_nor_does_a_stranger(browser: Client) -> None:
    token = ask_as_page(browser).json()["access_token"]

    assert ask(client_with(token)).status_code == 401
    assert ask(Client()).status_code == 401
