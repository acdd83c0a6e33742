"""The names by which people log in, and in how many ways one can be written."""

from __future__ import annotations

import unicodedata

import pytest
from django.core.cache import cache
from pytest_django import Settings

from accounts.models import User
from accounts.tests.rest import PASSWORD, client_at, log_in

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
