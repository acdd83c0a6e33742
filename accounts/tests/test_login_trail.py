"""Who logged in and out, who failed to, and from where."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import login_trail
from accounts.change_origin import ChangeOrigin
from accounts.login_trail import record_failed_login
from accounts.models import AuditEvent, Role, User, Via
from accounts.tests.rest import PASSWORD, client_at, log_in, log_out, me

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("many_logins")]

TYPED = "my-Secret-Passw0rd"


@pytest.fixture
def root() -> User:
    return User.objects.create_user("root", "root@example.com", PASSWORD, role=Role.ADMIN)


def sign_in(client: Client, username: str, password: str = PASSWORD) -> Any:
    return client.post("/admin/login/", {"username": username, "password": password, "next": "/admin/"})


def trail() -> list[tuple[str, str, str, str, str | None]]:
    columns = ("action", "actor_name", "target_label", "via", "address")
    return list(AuditEvent.objects.order_by("at", "id").values_list(*columns))


def test_log_in_and_log_out_are_on_record_with_address(root: User) -> None:
    client = client_at()
    address = client.defaults["REMOTE_ADDR"]

    pair = log_in(client, "root").json()
    for _ in range(2):  # the second one ends nothing
        body = {"refresh_token": pair["refresh_token"]}
        client.post("/api/auth/logout", body, content_type="application/json")

    assert trail() == [
        ("logged_in", "root", "root", "rest", address),
        ("logged_out", "root", "root", "rest", address),
    ]
    sessions = {event.changes["session"] for event in AuditEvent.objects.all()}
    assert len(sessions) == 1


def test_log_out_everywhere_is_on_record(root: User) -> None:
    pair = log_in(client_at(), "root").json()

    log_out(pair["refresh_token"], all=True)

    assert [event[:3] for event in trail()][1:] == [("logged_out", "root", "root")]


def test_session_that_its_owner_ends_is_on_record(root: User) -> None:
    client = client_at()
    pair = log_in(client, "root").json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    (session,) = client.get("/api/auth/sessions", headers=headers).json()["data"]

    client.delete(f"/api/auth/sessions/{session['id']}", headers=headers)

    assert [event[:2] for event in trail()] == [("logged_in", "root"), ("logged_out", "root")]
    assert me(client, pair["access_token"]).status_code == 401


def test_log_in_and_log_out_of_the_admin_are_on_record_with_address(root: User) -> None:
    browser = client_at()
    address = browser.defaults["REMOTE_ADDR"]

    sign_in(browser, "root")
    browser.post("/admin/logout/")

    assert trail() == [
        ("logged_in", "root", "root", "admin", address),
        ("logged_out", "root", "root", "admin", address),
    ]


@pytest.mark.parametrize(("attempt", "via"), [(log_in, "rest"), (sign_in, "admin")])
@pytest.mark.parametrize("name", ["root", "root@example.com"])
def test_failed_log_in_is_on_record_with_account_and_address(
    root: User, attempt: Callable[..., Any], via: str, name: str
) -> None:
    client = client_at()

    attempt(client, name, "wrong")

    assert trail() == [("login_failed", "", "root", via, client.defaults["REMOTE_ADDR"])]


@pytest.mark.parametrize("attempt", [log_in, sign_in])
def test_what_was_typed_as_a_name_is_not_stored(root: User, attempt: Callable[..., Any]) -> None:
    attempt(client_at(), TYPED, "root")

    (event,) = AuditEvent.objects.values()
    assert (event["action"], event["target_id"], event["target_label"]) == ("login_failed", "", "users")
    assert TYPED not in str(event)


@pytest.mark.parametrize("name", ["ro\x00ot", "r" * 300, ""])
def test_what_cannot_be_a_name_is_not_looked_for(root: User, name: str) -> None:
    assert sign_in(client_at(), name).status_code == 200

    assert trail() == []


def test_admin_page_refuses_a_plain_user_on_record(root: User) -> None:
    User.objects.create_user("mina", None, PASSWORD)

    sign_in(client_at(), "mina")

    assert [event[0:3] for event in trail()] == [("login_failed", "", "mina")]


def test_wrong_old_password_is_on_record(root: User) -> None:
    client = client_at()
    headers = {"Authorization": f"Bearer {log_in(client, 'root').json()['access_token']}"}
    guess = {"current": "guess", "new": "a quite different horse"}

    client.post("/api/auth/password", guess, content_type="application/json", headers=headers)

    assert [event[0:3] for event in trail()][1:] == [("login_failed", "root", "root")]


def test_failures_of_one_account_from_one_address_share_a_row(root: User) -> None:
    client = client_at()

    for _ in range(5):
        log_in(client, "root", "wrong")

    (event,) = AuditEvent.objects.all()
    assert (event.repeats, event.last_at is not None) == (5, True)


def test_failures_from_ever_new_addresses_do_not_grow_the_trail(
    root: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_trail, "MOST_WITH_ADDRESS", 3)
    monkeypatch.setattr(login_trail, "MOST_ROWS", 5)

    for n in range(12):
        record_failed_login(account=None, origin=ChangeOrigin(Via.REST, address=f"10.0.0.{n}"))
        record_failed_login(account=root, origin=ChangeOrigin(Via.REST, address=f"10.0.1.{n}"))

    rows = AuditEvent.objects.all()
    assert len(rows) <= 6
    assert sum(row.repeats for row in rows) == 24
    # What is aimed at an account is told, however many addresses there were.
    assert sum(row.repeats for row in rows if row.target_label == "root") == 12


def test_failures_of_ever_new_accounts_do_not_grow_the_trail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_trail, "MOST_WITH_ADDRESS", 3)
    monkeypatch.setattr(login_trail, "MOST_ROWS", 5)

    for n in range(10):
        user = User.objects.create(username=f"user-{n}")
        record_failed_login(account=user, origin=ChangeOrigin(Via.REST, address=f"10.0.0.{n}"))

    rows = AuditEvent.objects.all()
    assert (len(rows), sum(row.repeats for row in rows)) == (6, 10)


def test_failures_of_long_ago_are_forgotten_and_nothing_else(root: User) -> None:
    record_failed_login(account=root, origin=ChangeOrigin(Via.REST, address="10.0.0.1"))
    log_in(client_at(), "root")
    AuditEvent.objects.update(at=timezone.now() - login_trail.KEPT - timedelta(hours=1))

    record_failed_login(account=root, origin=ChangeOrigin(Via.REST, address="10.0.0.2"))

    assert sorted(event[0] for event in trail()) == ["logged_in", "login_failed"]
