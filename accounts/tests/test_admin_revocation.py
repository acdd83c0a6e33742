"""What an administrator does to an account: the chat plane sees it on the account's very next request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.authentication import Authenticator
from accounts.models import AuditEvent, Role, Session, User
from accounts.tests.chat_plane import in_thread
from accounts.tests.rest import NEW_PASSWORD, PASSWORD
from accounts.tokens import issue_pair
from gateway.errors import TokenRevoked

RESET = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
OWN = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}


@pytest.fixture(autouse=True)
def quick_hashes(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def mina(transactional_db: None) -> User:
    return User.objects.create_user("mina", None, PASSWORD)


@pytest.fixture
def web(transactional_db: None) -> Client:
    root = User.objects.create_user("root", None, PASSWORD, role=Role.ADMIN)
    client = Client()
    client.force_login(root)
    return client


def save(web: Client, user: User, **changes: str) -> Any:
    form = {"username": user.username, "role": user.role, "is_active": "on"} | changes
    return web.post(
        f"/admin/accounts/user/{user.pk}/change/", {name: value for name, value in form.items() if value}
    )


def act(web: Client, action: str, user: User, **more: str) -> Any:
    return web.post("/admin/accounts/user/", {"action": action, "_selected_action": str(user.pk)} | more)


CHANGES: dict[str, Callable[[Client, User], Any]] = {
    "deactivation by form": lambda web, user: save(web, user, is_active=""),
    "deactivation by action": lambda web, user: act(web, "deactivate", user),
    "password reset": lambda web, user: web.post(f"/admin/accounts/user/{user.pk}/password/", RESET),
    "deletion": lambda web, user: web.post(f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"}),
    "deletion by action": lambda web, user: act(web, "delete_selected", user, post="yes"),
    "end of all sessions": lambda web, user: act(web, "end_all_sessions", user),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_what_ends_access_is_seen_by_the_next_chat_request(
    authenticator: Authenticator, web: Client, mina: User, change: Callable[[Client, User], Any]
) -> None:
    header = f"Bearer {(await in_thread(issue_pair, mina)).access_token}"
    await authenticator.authenticate(header)

    response = await in_thread(change, web, mina)

    assert response.status_code == 302
    with pytest.raises(TokenRevoked):
        await authenticator.authenticate(header)


async def test_change_of_role_is_seen_by_the_next_chat_request(
    authenticator: Authenticator, web: Client, mina: User
) -> None:
    header = f"Bearer {(await in_thread(issue_pair, mina)).access_token}"
    before = await authenticator.authenticate(header)

    await in_thread(save, web, mina, role="admin")

    assert (before.is_admin, (await authenticator.authenticate(header)).is_admin) == (False, True)


async def test_administrators_own_new_password_is_seen_by_the_next_chat_request(
    authenticator: Authenticator, web: Client
) -> None:
    root = await in_thread(User.objects.get, username="root")
    header = f"Bearer {(await in_thread(issue_pair, root)).access_token}"
    await authenticator.authenticate(header)

    response = await in_thread(web.post, "/admin/password_change/", OWN)

    assert response.status_code == 302
    with pytest.raises(TokenRevoked):
        await authenticator.authenticate(header)


def test_administrators_own_new_password_ends_sessions_on_record_and_keeps_this_page(web: Client) -> None:
    root = User.objects.get(username="root")
    issue_pair(root)

    web.post("/admin/password_change/", OWN)

    root.refresh_from_db()
    event = AuditEvent.objects.get()
    assert root.check_password(NEW_PASSWORD)
    assert Session.objects.get(kind="tokens").revoked_reason == "password"
    assert Session.objects.filter(kind="cookie", revoked_at=None).count() == 1
    assert (event.action, event.actor_name, event.via, event.target_label) == (
        *("password_changed", "root", "admin", "root"),
    )
    assert web.get("/admin/accounts/user/").status_code == 200


@pytest.mark.parametrize(
    ("wrong", "trail"), [({"old_password": "wrong"}, ["login_failed"]), ({"new_password2": "other"}, [])]
)
def test_password_page_that_is_refused_changes_nothing(
    web: Client, wrong: dict[str, str], trail: list[str]
) -> None:
    issue_pair(User.objects.get(username="root"))

    response = web.post("/admin/password_change/", OWN | wrong)

    assert response.status_code == 200
    assert User.objects.get(username="root").check_password(PASSWORD)
    assert Session.objects.get(kind="tokens").revoked_at is None
    assert list(AuditEvent.objects.values_list("action", flat=True)) == trail


def test_guesses_of_the_old_password_count_like_log_ins(settings: Settings, web: Client) -> None:
    settings.LOGIN_RATE = "2/h"
    guess = OWN | {"old_password": "guess"}

    statuses = [web.post("/admin/password_change/", guess).status_code for _ in range(3)]

    assert statuses == [200, 200, 429]


@pytest.mark.parametrize("spelling", [str, lambda pk: pk.hex, lambda pk: str(pk).upper()])
@pytest.mark.parametrize("more", [{}, {"usable_password": "false"}, {"old_password": PASSWORD}])
def test_own_password_is_not_reset_on_the_page_of_accounts(
    web: Client, spelling: Callable[[Any], str], more: dict[str, str]
) -> None:
    root = User.objects.get(username="root")
    page = f"/admin/accounts/user/{spelling(root.pk)}/password/"

    answers = [web.get(page), web.post(page, RESET | more)]

    assert [answer.headers.get("Location") for answer in answers] == ["/admin/password_change/"] * 2
    root.refresh_from_db()
    assert root.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("patch", "/api/auth/me", {"password": NEW_PASSWORD}),
        ("post", "/api/auth/password", {"new": NEW_PASSWORD}),
        ("post", "/api/auth/password", {"current": "guess", "new": NEW_PASSWORD}),
        ("post", "/api/auth/password", {"current": "", "new": NEW_PASSWORD}),
    ],
)
def test_borrowed_browser_changes_no_password_by_rest(
    web: Client, method: str, path: str, body: dict[str, str]
) -> None:
    response = getattr(web, method)(path, body, content_type="application/json")

    assert response.status_code == 400
    assert User.objects.get(username="root").check_password(PASSWORD)


def test_form_of_ones_own_account_takes_no_password(web: Client) -> None:
    root = User.objects.get(username="root")

    save(web, root, password=NEW_PASSWORD, password1=NEW_PASSWORD, password2=NEW_PASSWORD)

    root.refresh_from_db()
    assert root.check_password(PASSWORD)
