"""Logging in, refreshing, and how often one may try."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client
from pytest_django import Settings

from accounts.models import User

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"


def client_at() -> Client:
    """A client with an address of its own, so that no other test has used up its attempts."""
    octets = (str(random.randrange(256)) for _ in range(3))  # noqa: S311
    return Client(REMOTE_ADDR=".".join(["10", *octets]))


def log_in(client: Client, username: str, password: str = PASSWORD, **more: object) -> Any:
    body = {"username": username, "password": password} | more
    return client.post("/api/auth/login", body, content_type="application/json")


def refresh(client: Client, token: str) -> Any:
    return client.post("/api/auth/refresh", {"refresh_token": token}, content_type="application/json")


def me(client: Client, token: str) -> Any:
    return client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(autouse=True)
def quick_hashes_and_many_attempts(settings: Settings) -> None:
    """Dozens of passwords are checked here, and none of them is worth Argon2's 100 ms."""
    settings.LOGIN_RATE = "10000/m"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def mina() -> User:
    return User.objects.create_user("mina", "Mina@Example.com", PASSWORD)


def test_login_answers_a_pair_and_the_account(mina: User) -> None:
    response = log_in(client_at(), "mina")

    content = response.json()
    assert response.status_code == 200
    assert set(content) == {"access_token", "refresh_token", "token_type", "expires_in", "user"}
    assert (content["token_type"], content["expires_in"]) == ("Bearer", 24 * 3600)
    assert (content["user"]["id"], content["user"]["username"]) == (str(mina.id), "mina")
    assert me(Client(), content["access_token"]).status_code == 200


@pytest.mark.parametrize(
    "login", ["mina", "MINA", "mina@example.com", "MINA@EXAMPLE.COM", "Mina@Example.com"]
)
def test_user_name_and_email_in_any_case_work_as_name(mina: User, login: str) -> None:
    response = log_in(client_at(), login)

    assert response.json()["user"]["id"] == str(mina.id)


def test_login_is_noted_on_the_account(mina: User) -> None:
    log_in(client_at(), "mina")

    mina.refresh_from_db()
    assert mina.last_login is not None


def test_failures_look_the_same_whatever_was_wrong(mina: User) -> None:
    User.objects.create_user("retired", None, PASSWORD, is_active=False)
    User.objects.create_user("passwordless")

    failures = [
        log_in(client_at(), "mina", "wrong"),
        log_in(client_at(), "nobody", "wrong"),
        log_in(client_at(), "nobody@example.com", "wrong"),
        log_in(client_at(), "retired"),
        log_in(client_at(), "passwordless", "wrong"),
    ]

    assert {r.status_code for r in failures} == {401}
    assert len({r.content for r in failures}) == 1
    assert failures[0].json()["error"]["code"] == "invalid_credentials"


class CountingHasher(MD5PasswordHasher):
    """Counts how often the costly part of a log-in is done."""

    computed = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).computed += 1
        return super().encode(password, salt)


def test_unknown_name_costs_as_many_hashes_as_a_wrong_password(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    User.objects.create_user("mina", "mina@example.com", PASSWORD)
    User.objects.create_user("retired", None, PASSWORD, is_active=False)
    User.objects.create_user("passwordless")
    costs = {}

    for name in ("mina", "mina@example.com", "nobody", "nobody@example.com", "retired", "passwordless"):
        before = CountingHasher.computed
        log_in(client_at(), name, "wrong")
        costs[name] = CountingHasher.computed - before

    assert costs == dict.fromkeys(costs, 1)


def test_password_keeps_the_blanks_around_it() -> None:
    User.objects.create_user("spacy", None, "  padded  ")

    assert log_in(client_at(), "spacy", "  padded  ").status_code == 200
    assert log_in(client_at(), "spacy", "padded").status_code == 401


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"username": "mina"}, "password"),
        ({"password": "x"}, "username"),
        ({"username": "", "password": "x"}, "username"),
        ({"username": "mina", "password": "x", "role": "admin"}, "role"),
        ({"username": {"$ne": ""}, "password": "x"}, "username"),
        ({"username": "mina", "password": "x" * 1025}, "password"),
    ],
)
def test_malformed_login_is_refused_by_field(body: dict[str, object], param: str) -> None:
    response = client_at().post("/api/auth/login", body, content_type="application/json")

    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_attempts_on_one_account_are_limited_from_wherever_they_come(settings: Settings) -> None:
    settings.LOGIN_RATE = "3/h"
    name = f"target-{random.random()}"  # noqa: S311

    statuses = [log_in(client_at(), case, "guess").status_code for case in (name, name.upper(), name, name)]

    assert statuses == [401, 401, 401, 429]


def test_attempts_from_one_address_are_limited_whomever_they_try(settings: Settings) -> None:
    settings.LOGIN_RATE = "3/h"
    client = client_at()

    statuses = [log_in(client, f"user-{n}-{random.random()}", "guess").status_code for n in range(4)]  # noqa: S311

    assert statuses == [401, 401, 401, 429]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_forged_forwarding_headers_do_not_make_new_addresses(settings: Settings, header: str) -> None:
    settings.LOGIN_RATE = "2/h"
    client = client_at()

    statuses = [
        client.post(
            "/api/auth/login",
            {"username": f"user-{n}-{random.random()}", "password": "guess"},  # noqa: S311
            content_type="application/json",
            headers={header: f"192.0.2.{n}"},
        ).status_code
        for n in range(3)
    ]

    assert statuses == [401, 401, 429]


def test_limited_login_says_when_to_come_back_even_with_the_right_password(
    settings: Settings, mina: User
) -> None:
    settings.LOGIN_RATE = "1/h"
    client = client_at()
    log_in(client, f"user-{random.random()}", "guess")  # noqa: S311

    response = log_in(client, "mina")

    assert response.status_code == 429
    assert response.json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_admin_login_is_limited_too(settings: Settings) -> None:
    settings.LOGIN_RATE = "3/h"
    client = client_at()

    statuses = [
        client.post(
            "/admin/login/",
            {"username": f"admin-{random.random()}", "password": "guess"},  # noqa: S311
        ).status_code
        for _ in range(4)
    ]

    assert statuses[-1] == 429


def test_login_without_its_cache_is_a_503(settings: Settings, mina: User) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
            "KEY_PREFIX": "absent",
        }
    }

    response = log_in(Client(raise_request_exception=False), "mina")

    assert response.status_code == 503
    assert response.json()["error"]["code"] == "dependency_unavailable"


def test_refresh_answers_a_new_pair_that_works(mina: User) -> None:
    old = log_in(client_at(), "mina").json()

    response = refresh(Client(), old["refresh_token"])

    new = response.json()
    assert response.status_code == 200
    assert new["user"]["id"] == str(mina.id)
    assert {new["access_token"], new["refresh_token"]}.isdisjoint({old["access_token"], old["refresh_token"]})
    assert me(Client(), new["access_token"]).json()["username"] == "mina"


def test_access_token_does_not_refresh(mina: User) -> None:
    pair = log_in(client_at(), "mina").json()

    response = refresh(Client(), pair["access_token"])

    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("token", ["x", "a.b.c", "' OR 1=1 --"])
def test_nonsense_does_not_refresh(token: str) -> None:
    response = refresh(Client(), token)

    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


def test_refresh_ends_with_the_account(mina: User) -> None:
    pair = log_in(client_at(), "mina").json()
    User.objects.filter(pk=mina.pk).update(is_active=False)

    assert refresh(Client(), pair["refresh_token"]).status_code == 401

    User.objects.filter(pk=mina.pk).delete()
    assert refresh(Client(), pair["refresh_token"]).status_code == 401


def test_no_answer_holds_the_password(mina: User) -> None:
    answers = [log_in(client_at(), "mina"), log_in(client_at(), "nobody")]

    for response in answers:
        assert PASSWORD.encode() not in response.content
        assert mina.password.encode() not in response.content


HASHERS = [f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("MD5", "PBKDF2")]


def test_log_in_that_renews_the_stored_hash_is_a_good_one(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = HASHERS
    User.objects.create_user("mina", None, PASSWORD)
    settings.PASSWORD_HASHERS = HASHERS[::-1]

    token = log_in(client_at(), "mina").json()["access_token"]

    assert User.objects.get().password.startswith("pbkdf2_sha256")
    assert me(Client(), token).status_code == 200


def test_admin_log_in_that_renews_the_stored_hash_is_a_good_one(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = HASHERS
    User.objects.create_user("mina", None, PASSWORD, role="admin")
    settings.PASSWORD_HASHERS = HASHERS[::-1]
    browser = client_at()

    browser.post("/admin/login/", {"username": "mina", "password": PASSWORD})

    assert User.objects.get().password.startswith("pbkdf2_sha256")
    assert browser.get("/admin/accounts/user/").status_code == 200
