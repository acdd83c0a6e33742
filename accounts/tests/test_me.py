"""The caller's own account: read it, change what may be changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import DailyUsage, Limit, Role, User
from accounts.tokens import issue_pair

pytestmark = pytest.mark.django_db


@pytest.fixture
def mina() -> User:
    return User.objects.create_user("mina", "mina@example.com")


@pytest.fixture
def api(mina: User) -> Client:
    """A client that is logged in as mina."""
    return Client(headers={"Authorization": f"Bearer {issue_pair(mina).access_token}"})


def patch(api: Client, **changes: object) -> Any:
    return api.patch("/api/auth/me", changes, content_type="application/json")


def test_account_is_shown_without_its_password(api: Client, mina: User) -> None:
    content = api.get("/api/auth/me").json()

    assert content.pop("created_at").endswith("Z")
    assert content == {
        "id": str(mina.id),
        "username": "mina",
        "email": "mina@example.com",
        "role": "user",
        "default_system_prompt": "",
        "locale": "",
        "has_password": False,
        "limits": {
            "requests": {"limit": 60, "window_s": 60},
            "tokens": None,
            "streams": {"limit": 100_000, "window_s": None},
        },
        "usage_today": {
            "day": timezone.now().date().isoformat(),
            "requests": 0,
            "prompt_tokens": 0,
            "completion_tokens": 0,
        },
    }


def test_limits_and_use_are_the_callers_own(api: Client, mina: User) -> None:
    juno = User.objects.create(username="juno")
    today = timezone.now().date()
    for user, value in ((mina, 7), (juno, 9)):
        Limit.objects.create(kind="tokens", subject="user", user=user, value=value, window_s=3600)
        DailyUsage.objects.create(user=user, day=today, requests=value, prompt_tokens=value)
    Limit.objects.create(kind="streams", subject="role", role="user", value=0)
    DailyUsage.objects.create(user=mina, day=today - timedelta(days=1), requests=100)

    content = api.get("/api/auth/me").json()

    assert content["limits"]["tokens"] == {"limit": 7, "window_s": 3600}
    assert content["limits"]["streams"] is None
    assert (content["usage_today"]["requests"], content["usage_today"]["prompt_tokens"]) == (7, 7)


def test_own_settings_can_be_changed(api: Client, mina: User) -> None:
    response = patch(api, email="new@example.com", default_system_prompt="반말로 답해.", locale="ko")

    assert response.status_code == 200
    assert response.json()["default_system_prompt"] == "반말로 답해."
    mina.refresh_from_db()
    assert (mina.email, mina.default_system_prompt, mina.locale) == ("new@example.com", "반말로 답해.", "ko")


def test_what_is_not_given_stays(api: Client, mina: User) -> None:
    patch(api, locale="ko")

    mina.refresh_from_db()
    assert (mina.email, mina.locale) == ("mina@example.com", "ko")


@pytest.mark.parametrize("empty", ["", None])
def test_email_can_be_given_up_by_any_number_of_accounts(api: Client, mina: User, empty: str | None) -> None:
    User.objects.create_user("other", None)

    response = patch(api, email=empty)

    assert response.status_code == 200
    mina.refresh_from_db()
    assert mina.email is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", "admin"),
        ("is_staff", True),
        ("is_superuser", True),
        ("is_active", False),
        ("id", "00000000-0000-0000-0000-000000000000"),
        ("username", "root"),
        ("password", "hacked"),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("surprise", 1),
    ],
)
def test_rights_and_unknown_fields_are_refused_and_nothing_is_changed(
    api: Client, mina: User, field: str, value: object
) -> None:
    before = User.objects.values().get(pk=mina.pk)

    response = patch(api, locale="ko", **{field: value})

    assert response.status_code == 400
    assert response.json()["error"]["param"] == field
    assert User.objects.values().get(pk=mina.pk) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "not an address"),
        ("locale", "x" * 11),
        ("default_system_prompt", "x" * 32_001),
        ("default_system_prompt", None),
        ("default_system_prompt", ["x"]),
    ],
)
def test_malformed_value_is_refused_by_field(api: Client, field: str, value: object) -> None:
    response = patch(api, **{field: value})

    assert (response.status_code, response.json()["error"]["param"]) == (400, field)


def test_email_of_another_account_is_taken_in_any_case(api: Client) -> None:
    User.objects.create_user("other", "Other@example.com")

    response = patch(api, email="OTHER@EXAMPLE.COM")

    assert (response.status_code, response.json()["error"]["param"]) == (400, "email")


def test_own_email_can_be_written_differently(api: Client, mina: User) -> None:
    response = patch(api, email="MINA@example.com")

    assert response.json()["email"] == "MINA@example.com"


def test_deactivated_account_is_shut_out_at_once(api: Client, mina: User) -> None:
    assert api.get("/api/auth/me").status_code == 200
    User.objects.filter(pk=mina.pk).update(is_active=False)

    response = api.get("/api/auth/me")

    assert (response.status_code, response.json()["error"]["code"]) == (401, "token_revoked")


def test_changed_role_counts_at_once(api: Client, mina: User) -> None:
    User.objects.filter(pk=mina.pk).update(role=Role.ADMIN)

    assert api.get("/api/auth/me").json()["role"] == "admin"


def test_change_is_answered_with_the_account_as_it_is_read(api: Client) -> None:
    changed = patch(api, locale="ko")

    assert changed.json() == api.get("/api/auth/me").json()
    assert (changed.json()["locale"], "limits" in changed.json()) == ("ko", True)
