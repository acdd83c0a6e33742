"""Accounts, keys, sessions and the audit trail in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.api_keys import IssuedKey, issue_api_key
from accounts.change_origin import COMMAND, ChangeOrigin
from accounts.models import ApiKey, AuditEvent, Role, Session, User, Via
from accounts.services import set_active
from accounts.tests.rest import NEW_PASSWORD, PASSWORD, client_with, code_of, me
from accounts.tokens import TokenPair, issue_pair
from gateway.errors import PermissionDenied

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_hashes(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def root() -> User:
    return User.objects.create_user("root", "root@example.com", PASSWORD, role=Role.ADMIN)


@pytest.fixture
def mina() -> User:
    return User.objects.create_user("mina", "mina@example.com", PASSWORD)


@pytest.fixture
def web(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def key(mina: User) -> IssuedKey:
    return issue_api_key(user=mina, name="laptop", scopes=["history"], origin=COMMAND)


@pytest.fixture
def pair(mina: User) -> TokenPair:
    return issue_pair(mina)


def save(web: Client, user: User, **changes: object) -> Any:
    """Submit the account's form."""
    form = {
        "username": user.username,
        "email": user.email or "",
        "locale": user.locale,
        "default_system_prompt": user.default_system_prompt,
        "role": user.role,
        "is_active": "on" if user.is_active else None,
    } | changes
    return web.post(
        f"/admin/accounts/user/{user.pk}/change/", {k: v for k, v in form.items() if v is not None}
    )


def act(web: Client, model: str, action: str, *rows: Any) -> Any:
    chosen = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return web.post(f"/admin/accounts/{model}/", chosen, follow=True)


def trail() -> list[tuple[str, str, str]]:
    events = AuditEvent.objects.exclude(via="command").order_by("at")
    return list(events.values_list("action", "actor_name", "target_label"))


@pytest.mark.parametrize("model", ["user", "apikey", "session", "auditevent"])
def test_lists_and_searches_work(web: Client, key: IssuedKey, pair: TokenPair, model: str) -> None:
    for query in ("", "?q=mina", "?q=no+such+thing"):
        assert web.get(f"/admin/accounts/{model}/{query}").status_code == 200


def test_filters_tell_working_keys_from_ended_ones(web: Client, key: IssuedKey) -> None:
    def shown(state: str) -> bool:
        return key.row.prefix in web.get(f"/admin/accounts/apikey/?state={state}").content.decode()

    assert (shown("working"), shown("ended")) == (True, False)
    act(web, "apikey", "revoke", key.row)
    assert (shown("working"), shown("ended")) == (False, True)


def test_pages_show_no_secret(web: Client, key: IssuedKey, pair: TokenPair) -> None:
    session = Session.objects.get()
    pages = [
        *(f"/admin/accounts/{model}/" for model in ("user", "apikey", "session", "auditevent")),
        f"/admin/accounts/apikey/{key.row.pk}/change/",
        f"/admin/accounts/session/{session.pk}/change/",
        f"/admin/accounts/auditevent/{AuditEvent.objects.latest('at').pk}/change/",
    ]

    for page in pages:
        response = web.get(page)
        assert response.status_code == 200
        for secret in (key.key[15:], key.row.digest, session.refresh_jti, pair.refresh_token):
            assert secret not in response.content.decode()


def test_administrator_changes_the_role_of_another_at_once_and_on_record(
    web: Client, mina: User, pair: TokenPair
) -> None:
    response = save(web, mina, role="admin")

    assert response.status_code == 302
    assert me(Client(), pair.access_token).json()["role"] == "admin"
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_name, event.target_label) == ("role_changed", "root", "mina")
    assert (event.changes, event.address, event.via) == ({"role": ["user", "admin"]}, "127.0.0.1", "admin")


def test_role_of_a_former_admin_ends_with_the_next_request(web: Client) -> None:
    other = User.objects.create(username="other", role=Role.ADMIN)
    api, cookie = client_with(issue_pair(other).access_token), Client()
    cookie.force_login(other)
    assert api.get("/api/models/reload").status_code == 405
    assert cookie.get("/admin/accounts/user/").status_code == 200

    save(web, other, role="user")

    assert code_of(api.get("/api/models/reload")) == (403, "permission_denied")
    assert cookie.get("/admin/accounts/user/").status_code == 302


@pytest.mark.parametrize("changes", [{"role": "user"}, {"is_active": None}])
def test_nobody_changes_their_own_rights(web: Client, root: User, changes: dict[str, object]) -> None:
    response = save(web, root, **changes)

    root.refresh_from_db()
    assert (root.role, root.is_active) == ("admin", True)
    assert (response.status_code, trail()) == (302, [])


def test_service_refuses_what_the_form_does_not_even_show(root: User) -> None:
    own = ChangeOrigin(Via.ADMIN, actor=root)

    with pytest.raises(PermissionDenied):
        set_active(user=root, is_active=False, origin=own)

    root.refresh_from_db()
    assert root.is_active


def test_nobody_deletes_or_deactivates_themselves(web: Client, root: User) -> None:
    act(web, "user", "deactivate", root)
    web.post(f"/admin/accounts/user/{root.pk}/delete/", {"post": "yes"})
    web.post(
        "/admin/accounts/user/",
        {"action": "delete_selected", "_selected_action": [str(root.pk)], "post": "yes"},
    )

    root.refresh_from_db()
    assert root.is_active


def test_plain_user_sees_no_admin_page(mina: User) -> None:
    client = Client()
    client.force_login(mina)

    for page in ("", "accounts/user/", "accounts/auditevent/", f"accounts/user/{mina.pk}/change/"):
        assert client.get(f"/admin/{page}").status_code == 302


def test_deactivation_ends_sessions_for_good(web: Client, mina: User, pair: TokenPair) -> None:
    save(web, mina, is_active=None)
    assert code_of(me(Client(), pair.access_token)) == (401, "token_revoked")

    mina.refresh_from_db()
    save(web, mina, is_active="on")

    assert code_of(me(Client(), pair.access_token)) == (401, "token_revoked")
    assert [action for action, *_ in trail()] == ["user_deactivated", "user_activated"]


def test_password_reset_ends_sessions_and_is_on_record_without_it(
    web: Client, mina: User, pair: TokenPair
) -> None:
    passwords = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}

    response = web.post(f"/admin/accounts/user/{mina.pk}/password/", passwords)

    assert response.status_code == 302
    assert code_of(me(Client(), pair.access_token)) == (401, "token_revoked")
    assert Session.objects.get(user=mina).revoked_reason == "password"
    assert trail() == [("password_reset", "root", "mina")]
    assert NEW_PASSWORD not in str(list(AuditEvent.objects.values()))


def test_password_form_that_is_refused_changes_nothing(web: Client, mina: User, pair: TokenPair) -> None:
    web.post(f"/admin/accounts/user/{mina.pk}/password/", {"password1": "a", "password2": "b"})

    assert me(Client(), pair.access_token).status_code == 200
    assert trail() == []


def test_other_edits_are_on_record_but_not_the_prompt(web: Client, mina: User) -> None:
    save(web, mina, email="new@example.com", default_system_prompt="my private instructions")

    assert AuditEvent.objects.get().changes == {
        "email": ["mina@example.com", "new@example.com"],
        "default_system_prompt": "changed",
    }


def test_new_account_is_on_record(web: Client) -> None:
    form = {"username": "new", "role": "user", "usable_password": "true"}

    web.post("/admin/accounts/user/add/", form | {"password1": PASSWORD, "password2": PASSWORD})

    assert trail() == [("user_created", "root", "new")]


def test_account_is_deleted_with_its_keys_and_sessions(
    web: Client, mina: User, key: IssuedKey, pair: TokenPair
) -> None:
    response = web.post(f"/admin/accounts/user/{mina.pk}/delete/", {"post": "yes"})

    assert response.status_code == 302
    assert not User.objects.filter(username="mina").exists()
    assert code_of(me(Client(), pair.access_token)) == (401, "token_revoked")
    assert trail() == [("user_deleted", "root", "mina")]


def test_actions_end_sessions_and_keys(web: Client, mina: User, key: IssuedKey, pair: TokenPair) -> None:
    act(web, "session", "end", Session.objects.get())
    act(web, "apikey", "revoke", key.row)
    second = issue_pair(mina)
    act(web, "user", "end_all_sessions", mina)

    for token in (pair.access_token, second.access_token):
        assert code_of(me(Client(), token)) == (401, "token_revoked")
    assert code_of(client_with(key.key).get("/api/conversations")) == (401, "token_revoked")
    assert [action for action, *_ in trail()] == ["sessions_revoked", "key_revoked", "sessions_revoked"]


@pytest.mark.parametrize("model", ["apikey", "session", "auditevent"])
def test_keys_sessions_and_trail_cannot_be_written(
    web: Client, key: IssuedKey, pair: TokenPair, model: str
) -> None:
    models: dict[str, Any] = {"apikey": ApiKey, "session": Session, "auditevent": AuditEvent}
    row = models[model].objects.first()
    paths = ("add/", f"{row.pk}/delete/", f"{row.pk}/change/")

    assert [web.post(f"/admin/accounts/{model}/{path}", {}).status_code for path in paths] == [403] * 3
    row.refresh_from_db()
