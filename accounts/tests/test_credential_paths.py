"""One account, three kinds of credential: each opens what it should, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import Role, User
from accounts.scopes import Scope, scope_for_rest
from accounts.tests.rest import PASSWORD, client_of, client_with, code_of

pytestmark = pytest.mark.django_db

ACCOUNT_CALLS = [
    ("get", "/api/auth/me"),
    ("patch", "/api/auth/me"),
    ("post", "/api/auth/password"),
    ("get", "/api/auth/sessions"),
    ("delete", "/api/auth/sessions/00000000-0000-7000-8000-000000000000"),
    ("get", "/api/keys"),
    ("post", "/api/keys"),
    ("patch", "/api/keys/00000000-0000-7000-8000-000000000000"),
    ("delete", "/api/keys/00000000-0000-7000-8000-000000000000"),
    ("post", "/api/keys/00000000-0000-7000-8000-000000000000/rotate"),
]


@pytest.fixture
def mina() -> User:
    return User.objects.create(username="mina")


@pytest.fixture
def root() -> User:
    return User.objects.create(username="root", role=Role.ADMIN)


def client_with_key(user: User, *scopes: str) -> Client:
    issued = issue_api_key(user=user, name="k", scopes=scopes or Scope.values, origin=COMMAND)
    return client_with(issued.key)


def client_with_cookie(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def call(client: Client, method: str, path: str, body: object = None) -> Any:
    return getattr(client, method)(path, body or {}, content_type="application/json")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/conversations", 200), ("/api/models/profiles", 200), ("/api/models/reload", 405)],
)
def test_jwt_key_and_cookie_see_the_same(mina: User, path: str, status: int) -> None:
    for client in (client_of(mina), client_with_key(mina), client_with_cookie(mina)):
        expected = 403 if path.endswith("reload") else status  # who may not, is not told how
        assert client.get(path).status_code == expected


@pytest.mark.parametrize(("method", "path"), ACCOUNT_CALLS)
def test_key_with_every_scope_manages_no_account(mina: User, method: str, path: str) -> None:
    response = call(client_with_key(mina), method, path)

    assert code_of(response) == (403, "permission_denied")


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("history", "/api/conversations", 200),
        ("history", "/api/models/profiles", 403),
        ("models:read", "/api/models/profiles", 200),
        ("models:read", "/api/conversations", 403),
        ("chat", "/api/conversations", 403),
        ("chat", "/api/models/profiles", 403),
        ("embeddings", "/api/conversations", 403),
    ],
)
def test_key_opens_what_its_scope_says(mina: User, scope: str, path: str, status: int) -> None:
    assert client_with_key(mina, scope).get(path).status_code == status


def test_key_of_an_admin_does_nothing_an_admin_does(root: User) -> None:
    path = "/api/models/reload"

    refusals = [call(client_with_key(root), "post", path), call(client_with_key(root), "get", path)]

    assert [r.status_code for r in refusals] == [403, 403]
    assert client_of(root).get(path).status_code == 405
    assert client_with_cookie(root).get(path).status_code == 405
    profiles = client_with_key(root).get("/api/models/profiles").json()
    as_user = client_of(User.objects.create(username="plain")).get("/api/models/profiles").json()
    assert profiles == as_user


def test_paths_that_nobody_listed_are_closed_to_keys() -> None:
    assert scope_for_rest("GET", "/api/models") is Scope.MODELS_READ
    assert scope_for_rest("POST", "/api/models/switch") is None
    assert scope_for_rest("GET", "/api/modelsx") is None
    assert scope_for_rest("GET", "/api/conversations-of-others") is None
    assert scope_for_rest("GET", "/api/limits") is None


@pytest.mark.parametrize("credential", ["' OR 1=1 --", "sk-' OR '1'='1", "sk-gw-%27", "1; DROP TABLE users"])
def test_sql_in_a_bearer_value_is_a_401(mina: User, credential: str) -> None:
    response = client_with(credential).get("/api/conversations")

    assert code_of(response) == (401, "invalid_api_key")


def test_cookie_alone_does_not_let_another_site_write(mina: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(mina)

    response = client.patch("/api/auth/me", {"locale": "ko"}, content_type="application/json")

    assert code_of(response) == (403, "permission_denied")
    mina.refresh_from_db()
    assert mina.locale == ""


def test_bad_bearer_is_refused_even_with_a_good_cookie(mina: User) -> None:
    client = client_with_cookie(mina)

    response = client.get("/api/auth/me", headers={"Authorization": "Bearer x"})

    assert code_of(response) == (401, "invalid_api_key")


def test_cookie_ends_with_the_password(mina: User) -> None:
    client = client_with_cookie(mina)
    mina.set_password(PASSWORD)
    mina.save()

    assert client.get("/api/auth/me").status_code == 401
