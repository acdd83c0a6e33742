"""Cookies of the admin pages are sessions: listed, and ended by whoever may end one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role, Session, User
from accounts.tests.rest import PASSWORD, client_at, client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("many_logins")]

PAGE = "/admin/accounts/user/"


@pytest.fixture
def root() -> User:
    return User.objects.create_user("root", None, PASSWORD, role=Role.ADMIN)


def signed_in(user: User, **headers: str) -> Client:
    client = client_at()
    form = {"username": user.username, "password": PASSWORD, "next": PAGE}
    assert client.post("/admin/login/", form, headers=headers).status_code == 302
    return client


def listed(client: Client) -> list[dict[str, Any]]:
    sessions: list[dict[str, Any]] = client.get("/api/auth/sessions").json()["data"]
    return sessions


def test_cookie_is_in_the_list_of_sessions_with_where_it_came_from(root: User) -> None:
    browser = signed_in(root, **{"User-Agent": "Firefox"})

    (seen,) = (row for row in listed(client_of(root)) if row["kind"] == "cookie")
    (own,) = (row for row in listed(browser) if row["kind"] == "cookie")

    assert (seen["user_agent"], seen["address"]) == ("Firefox", browser.defaults["REMOTE_ADDR"])
    assert (seen["is_current"], own["is_current"], own["id"]) == (False, True, seen["id"])


def by_rest(session: Session) -> None:
    assert client_of(session.user).delete(f"/api/auth/sessions/{session.pk}").status_code == 204


def by_an_admin(session: Session) -> None:
    other = User.objects.create_user("other", None, PASSWORD, role=Role.ADMIN)
    chosen = {"action": "end", "_selected_action": str(session.pk)}
    assert signed_in(other).post("/admin/accounts/session/", chosen).status_code == 302


def by_pruning(session: Session) -> None:
    session.delete()


def by_time(session: Session) -> None:
    Session.objects.filter(pk=session.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("end", [by_rest, by_an_admin, by_pruning, by_time])
def test_ended_cookie_is_nobodys_from_the_next_request_on(root: User, end: Callable[[Session], None]) -> None:
    browser, other = signed_in(root), signed_in(root)
    assert browser.get(PAGE).status_code == 200
    current = next(row["id"] for row in listed(browser) if row["is_current"])

    end(Session.objects.select_related("user").get(pk=current))

    assert browser.get("/api/auth/me").status_code == 401
    assert browser.get(PAGE).status_code == 302
    assert other.get(PAGE).status_code == 200


def test_log_out_of_the_admin_ends_the_session_of_the_cookie(root: User) -> None:
    browser = signed_in(root)

    browser.post("/admin/logout/")

    assert Session.objects.get().revoked_reason == "logout"
    assert browser.get(PAGE).status_code == 302


def test_signing_in_again_leaves_one_session(root: User) -> None:
    browser = signed_in(root)

    browser.post("/admin/login/", {"username": "root", "password": PASSWORD, "next": PAGE})

    assert Session.objects.filter(revoked_at=None).count() == 1
    assert browser.get(PAGE).status_code == 200


def test_cookie_from_before_there_were_sessions_of_cookies_gets_one(root: User) -> None:
    browser = Client()
    browser.force_login(root)

    statuses = [browser.get(PAGE).status_code for _ in range(2)]

    assert statuses == [200, 200]
    assert Session.objects.get().kind == "cookie"


def test_stranger_with_a_cookie_of_nobody_costs_no_session(root: User) -> None:
    browser = Client()
    browser.cookies["sessionid"] = "x" * 32

    assert browser.get(PAGE).status_code == 302
    assert Session.objects.count() == 0


@pytest.mark.parametrize("value", ['"abcdefgh\\000"', "abcdefgh%00", '"\\303\\251bcdefgh"', "abcdefg'--"])
@pytest.mark.parametrize("path", ["/sign-in/", "/chat/", "/api/conversations"])
def test_cookie_that_cannot_be_the_key_of_a_session_is_not_looked_for(
    client: Client, django_assert_num_queries: Any, path: str, value: str
) -> None:
    client.get(path, headers={"Accept": "*/*"})  # what the first request of a process asks for

    with django_assert_num_queries(0):
        response = client.get(path, headers={"Cookie": f"sessionid={value}", "Accept": "*/*"})

    assert response.status_code in {200, 302, 401}
