"""Creating one's own account, where that is allowed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts import services
from accounts.models import AuditEvent, User
from accounts.tests.rest import PASSWORD, client_at, code_of, me
from gateway.conf import get_config

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_hashes(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def open_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(get_config(), registration=True)
    monkeypatch.setattr(services, "get_config", lambda: config)


def register(client: Client, **more: object) -> Any:
    body = {"username": "newcomer", "password": PASSWORD} | more
    return client.post("/api/auth/register", body, content_type="application/json")


def test_registration_is_off_unless_switched_on() -> None:
    response = register(client_at())

    assert code_of(response) == (403, "permission_denied")
    assert not User.objects.exists()


@pytest.mark.usefixtures("open_registration")
def test_newcomer_is_a_plain_user_and_logged_in() -> None:
    response = register(client_at(), email="new@example.com")

    assert response.status_code == 201
    account = me(Client(), response.json()["access_token"]).json()
    assert (account["username"], account["email"], account["role"]) == ("newcomer", "new@example.com", "user")
    assert AuditEvent.objects.get().action == "user_registered"


@pytest.mark.usefixtures("open_registration")
@pytest.mark.parametrize(
    "field", ["role", "is_staff", "is_superuser", "is_active", "id", "token_version", "user", "quota"]
)
def test_newcomer_gives_themselves_no_rights(field: str) -> None:
    response = register(client_at(), **{field: "admin"})

    assert (response.status_code, response.json()["error"]["param"]) == (400, field)
    assert not User.objects.exists()


@pytest.mark.usefixtures("open_registration")
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"username": "taken"}, "username"),
        ({"username": "<script>"}, "username"),
        ({"email": "TAKEN@example.com"}, "email"),
        ({"email": "nobody"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "newcomer"}, "password"),
    ],
)
def test_bad_or_taken_value_is_refused_by_field(body: dict[str, object], param: str) -> None:
    User.objects.create_user("taken", "taken@example.com")

    response = register(client_at(), **body)

    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert User.objects.count() == 1


@pytest.mark.usefixtures("open_registration")
def test_registrations_from_one_address_are_limited(settings: Settings) -> None:
    settings.LOGIN_RATE = "2/h"
    client = client_at()

    statuses = [register(client, username=f"newcomer-{n}").status_code for n in range(3)]

    assert statuses == [201, 201, 429]


@pytest.mark.usefixtures("open_registration")
@pytest.mark.parametrize("email", [None, "new@example.com"])
def test_newcomer_takes_no_email_address_for_a_name(email: str | None) -> None:
    User.objects.create_user("mina", "mina@example.com", PASSWORD)

    response = register(client_at(), username="mina@example.com", email=email)

    assert (response.status_code, response.json()["error"]["param"]) == (400, "username")
