"""Logging out, changing the password, and seeing where one is logged in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEvent, Session, User
from accounts.tests.rest import (
    NEW_PASSWORD,
    PASSWORD,
    client_at,
    client_of,
    code_of,
    log_in,
    log_out,
    me,
    refresh,
)
from accounts.tokens import issue_pair

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_hashes_and_many_attempts(settings: Settings) -> None:
    settings.LOGIN_RATE = "10000/m"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def mina() -> User:
    return User.objects.create_user("mina", "mina@example.com", PASSWORD)


def change_password(client: Client, current: str = PASSWORD, new: str = NEW_PASSWORD, **more: object) -> Any:
    body = {"current": current, "new": new} | more
    return client.post("/api/auth/password", body, content_type="application/json")


def test_logout_ends_this_session_and_no_other(mina: User) -> None:
    here, there = issue_pair(mina), issue_pair(mina)

    response = log_out(here.refresh_token)

    assert (response.status_code, response.content) == (204, b"")
    assert code_of(me(Client(), here.access_token)) == (401, "token_revoked")
    assert code_of(refresh(Client(), here.refresh_token)) == (401, "token_revoked")
    assert me(Client(), there.access_token).status_code == 200
    assert log_out(here.refresh_token).status_code == 204


def test_logout_everywhere_ends_every_session_and_cookie(mina: User) -> None:
    here, there = issue_pair(mina), issue_pair(mina)
    cookie = Client()
    cookie.force_login(mina)
    assert cookie.get("/api/auth/me").status_code == 200

    log_out(here.refresh_token, all=True)

    for pair in (here, there):
        assert code_of(me(Client(), pair.access_token)) == (401, "token_revoked")
        assert code_of(refresh(Client(), pair.refresh_token)) == (401, "token_revoked")
    assert cookie.get("/api/auth/me").status_code == 401


def test_token_that_was_just_rotated_logs_out_everywhere(mina: User) -> None:
    here, there = issue_pair(mina), issue_pair(mina)
    refresh(Client(), here.refresh_token)  # as another tab does, or an answer that was lost

    response = log_out(here.refresh_token, all=True)

    assert response.status_code == 204
    for pair in (here, there):
        assert code_of(me(Client(), pair.access_token)) == (401, "token_revoked")


def test_token_that_was_rotated_long_ago_ends_its_session_and_is_told_that_no_other_ended(mina: User) -> None:
    here, there = issue_pair(mina), issue_pair(mina)
    refresh(Client(), here.refresh_token)
    Session.objects.update(rotated_at=timezone.now() - timedelta(minutes=1))

    response = log_out(here.refresh_token, all=True)

    assert code_of(response) == (401, "token_reused")
    assert code_of(me(Client(), here.access_token)) == (401, "token_revoked")
    assert me(Client(), there.access_token).status_code == 200


def test_token_of_an_ended_session_does_not_log_out_everywhere(mina: User) -> None:
    here, there = issue_pair(mina), issue_pair(mina)
    log_out(here.refresh_token)

    response = log_out(here.refresh_token, all=True)

    assert code_of(response) == (401, "token_revoked")
    assert me(Client(), there.access_token).status_code == 200


def test_logout_needs_a_refresh_token(mina: User) -> None:
    pair = issue_pair(mina)

    for token in (pair.access_token, "x", "' OR 1=1 --"):
        assert code_of(log_out(token)) == (401, "invalid_api_key")
    assert me(Client(), pair.access_token).status_code == 200


def test_password_change_ends_everything_but_its_own_new_pair(mina: User) -> None:
    client, elsewhere = client_of(mina), issue_pair(mina)

    response = change_password(client)

    assert response.status_code == 200
    assert me(Client(), response.json()["access_token"]).status_code == 200
    assert code_of(client.get("/api/auth/me")) == (401, "token_revoked")
    assert code_of(refresh(Client(), elsewhere.refresh_token)) == (401, "token_revoked")
    assert log_in(client_at(), "mina", NEW_PASSWORD).status_code == 200
    assert log_in(client_at(), "mina", PASSWORD).status_code == 401


@pytest.mark.parametrize(
    ("current", "new", "param"),
    [
        ("wrong", NEW_PASSWORD, "current"),
        (PASSWORD, "short", "new"),
        (PASSWORD, "password123", "new"),
        (PASSWORD, "mina@example.com", "new"),
        (PASSWORD, "", "new"),
    ],
)
def test_wrong_or_weak_password_changes_nothing(mina: User, current: str, new: str, param: str) -> None:
    client = client_of(mina)

    response = change_password(client, current, new)

    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert client.get("/api/auth/me").status_code == 200
    assert log_in(client_at(), "mina").status_code == 200


def test_guessing_the_current_password_is_limited_like_logging_in(mina: User, settings: Settings) -> None:
    settings.LOGIN_RATE = "3/h"
    User.objects.filter(pk=mina.pk).update(username=f"mina-{mina.pk}")
    client = client_of(User.objects.get(pk=mina.pk))

    statuses = [change_password(client, "guess").status_code for _ in range(4)]

    assert statuses == [400, 400, 400, 429]


def test_password_change_is_on_record_without_the_password(mina: User) -> None:
    change_password(client_of(mina))

    event = AuditEvent.objects.get()
    assert (event.action, event.actor_name, event.via, event.changes) == (
        "password_changed",
        "mina",
        "rest",
        {},
    )


def test_sessions_say_where_one_is_logged_in(mina: User) -> None:
    client = client_at()
    agent = "Mozilla/5.0 (X11)\x1b[31m" + "x" * 500
    pair = client.post(
        "/api/auth/login",
        {"username": "mina", "password": PASSWORD},
        content_type="application/json",
        headers={"User-Agent": agent},
    ).json()
    issue_pair(mina)
    issue_pair(User.objects.create(username="other"))

    listed = client.get(
        "/api/auth/sessions", headers={"Authorization": f"Bearer {pair['access_token']}"}
    ).json()

    assert (listed["object"], len(listed["data"])) == ("list", 2)
    (current,) = [row for row in listed["data"] if row["is_current"]]
    assert current["address"] == client.defaults["REMOTE_ADDR"]
    assert current["user_agent"].startswith("Mozilla/5.0 (X11)[31m")
    assert len(current["user_agent"]) == 200
    assert "jti" not in str(listed)


def test_session_is_ended_by_its_owner(mina: User) -> None:
    client, elsewhere = client_of(mina), issue_pair(mina)
    session = Session.objects.latest("created_at")

    response = client.delete(f"/api/auth/sessions/{session.pk}")

    assert response.status_code == 204
    assert code_of(me(Client(), elsewhere.access_token)) == (401, "token_revoked")
    assert [row["id"] for row in client.get("/api/auth/sessions").json()["data"]] != [str(session.pk)]


def test_session_of_somebody_else_looks_like_a_missing_one(mina: User) -> None:
    other = User.objects.create(username="other")
    pair = issue_pair(other)
    client = client_of(mina)

    foreign = client.delete(f"/api/auth/sessions/{Session.objects.get(user=other).pk}")
    missing = client.delete("/api/auth/sessions/00000000-0000-7000-8000-000000000000")

    assert (foreign.status_code, foreign.content) == (missing.status_code, missing.content)
    assert foreign.status_code == 404
    assert me(Client(), pair.access_token).status_code == 200


def test_session_end_without_a_reason_cannot_be_stored(mina: User) -> None:
    issue_pair(mina)

    with pytest.raises(IntegrityError):
        Session.objects.update(revoked_at=timezone.now())
