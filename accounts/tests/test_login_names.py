"""The names by which people log in, and in how many ways one can be written."""

from __future__ import annotations

import unicodedata

import pytest
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.test import Client
from pytest_django import Settings

from accounts.models import Role, User
from accounts.tests.rest import PASSWORD, client_at, client_of, log_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_hashes(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def mina() -> User:
    return User.objects.create_user("mina", "mina@example.com", PASSWORD)


def test_a_name_typed_in_decomposed_hangul_is_the_same_name() -> None:
    composed = "김민수"
    User.objects.create_user(composed, password="long-enough-password")

    found = User.objects.find_by_login(unicodedata.normalize("NFD", composed))

    assert found is not None


def test_ways_to_write_a_name_share_their_limit(settings: Settings, mina: User) -> None:
    cache.clear()
    settings.LOGIN_RATE = "3/h"
    fullwidth = "\uff4d\uff49\uff4e\uff41"  # `mina`, once it is normalised
    names = ("mina", fullwidth, "mina@example.com", "Mina@Example.com", "mina")

    statuses = [log_in(client_at(), name, "guess").status_code for name in names]

    assert statuses == [401, 401, 401, 429, 429]


@pytest.mark.parametrize("name", ["mina", "nobody"])
def test_limit_of_a_name_tells_nobody_whether_there_is_an_account(
    settings: Settings, mina: User, name: str
) -> None:
    cache.clear()
    settings.LOGIN_RATE = "3/h"
    fullwidth = "".join(chr(ord(letter) + 0xFEE0) for letter in name)

    statuses = [
        log_in(client_at(), way, "guess").status_code
        for way in (name, name.upper(), fullwidth, name.upper(), name)
    ]

    assert statuses == [401, 401, 401, 429, 429]


@pytest.mark.parametrize("name", ["mina@example.com", "MINA@example.com", "mina\uff20example.com", "a@b"])
@pytest.mark.parametrize("email", [None, "other@example.com"])
def test_user_name_is_no_email_address_but_ones_own(mina: User, name: str, email: str | None) -> None:
    with pytest.raises(ValidationError) as caught:
        User.objects.create_user(name, email, PASSWORD)

    assert "username" in caught.value.message_dict


def test_own_email_address_may_be_the_user_name() -> None:
    User.objects.create_user("juno@example.com", "Juno@example.com", PASSWORD)

    assert log_in(client_at(), "juno@example.com").status_code == 200


def test_email_address_that_is_somebody_elses_user_name_is_taken(mina: User) -> None:
    User.objects.create_user("juno@example.com", "juno@example.com", PASSWORD)
    User.objects.filter(username="juno@example.com").update(email=None)

    with pytest.raises(ValidationError):
        User.objects.create_user("thief", "JUNO@example.com", PASSWORD)
    answer = client_of(mina).patch("/api/auth/me", {"email": "JUNO@example.com"}, "application/json")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "email")


def test_admin_pages_refuse_such_names_and_leave_old_ones_alone(mina: User) -> None:
    root = User.objects.create_user("root", None, PASSWORD, role=Role.ADMIN)
    old = User.objects.create(username="old@example.com")
    browser = Client()
    browser.force_login(root)
    new = {"username": "mina@example.com", "role": "user", "usable_password": "true"}
    edited = {"username": old.username, "email": "new@example.com", "role": "user", "is_active": "on"}

    added = browser.post("/admin/accounts/user/add/", new | {"password1": PASSWORD, "password2": PASSWORD})
    changed = browser.post(f"/admin/accounts/user/{old.pk}/change/", edited)

    assert (added.status_code, changed.status_code) == (200, 302)
    assert not User.objects.filter(username="mina@example.com").exists()
