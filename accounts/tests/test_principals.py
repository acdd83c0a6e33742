"""What the database says of a credential."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import ApiKey, Role, Session, User
from accounts.principals import Credential, CredentialKind, Principal, check_credentials
from accounts.tokens import issue_pair, verify_refresh_token
from gateway.errors import AuthenticationFailed, PermissionDenied, TokenExpired, TokenRevoked

pytestmark = pytest.mark.django_db


def session_of(user: User) -> Credential:
    return verify_refresh_token(issue_pair(user).refresh_token).credential


def key_of(user: User, *scopes: str, **more: Any) -> Credential:
    row = issue_api_key(user=user, name="k", scopes=scopes or ("chat",), origin=COMMAND, **more).row
    return Credential(CredentialKind.KEY, row.pk, user.pk)


def principal_of(credential: Credential) -> Principal:
    (verdict,) = check_credentials([credential])
    assert not isinstance(verdict, AuthenticationFailed), verdict
    return verdict[1]


def refusal_of(credential: Credential) -> type[AuthenticationFailed]:
    (verdict,) = check_credentials([credential])
    assert isinstance(verdict, AuthenticationFailed)
    return type(verdict)


@pytest.fixture
def mina() -> User:
    return User.objects.create(username="mina", default_system_prompt="Be brief.")


def test_any_number_of_credentials_is_judged_in_order_with_two_queries(
    mina: User, django_assert_num_queries: Callable[[int], Any]
) -> None:
    admin = User.objects.create(username="admin", role=Role.ADMIN)
    gone = User.objects.create(username="gone", is_active=False)
    credentials = [
        session_of(mina),
        Credential(CredentialKind.SESSION, uuid.uuid4(), mina.pk),
        session_of(gone),
        key_of(admin),
        session_of(admin),
    ]

    with django_assert_num_queries(2):
        verdicts = check_credentials(credentials)

    names = [None if isinstance(v, AuthenticationFailed) else v[1].username for v in verdicts]
    assert names == ["mina", None, None, "admin", "admin"]


def test_session_allows_everything_its_account_may(mina: User) -> None:
    principal = principal_of(session_of(mina))

    principal.require("chat")
    principal.require_model("any")
    assert (principal.scopes, principal.default_system_prompt) == (None, "Be brief.")
    assert (principal.session_id is not None, principal.key_id) == (True, None)


def test_key_allows_its_scopes_and_models_only(mina: User) -> None:
    principal = principal_of(key_of(mina, "chat", "models:read", models=["small"]))

    principal.require("chat")
    principal.require("embeddings", "models:read")
    principal.require_model("small")
    with pytest.raises(PermissionDenied):
        principal.require("history", "embeddings")
    with pytest.raises(PermissionDenied):
        principal.require_model("large")


def test_key_of_an_admin_is_no_admin() -> None:
    root = User.objects.create(username="root", role=Role.ADMIN)

    (verdict,) = check_credentials([key_of(root)])

    assert not isinstance(verdict, AuthenticationFailed)
    user, principal = verdict
    assert (principal.is_admin, user.is_staff, user.is_superuser, user.has_perm("x")) == (False,) * 4
    assert principal_of(session_of(root)).is_admin


def test_session_for_another_account_than_the_token_says_is_refused(mina: User) -> None:
    other = User.objects.create(username="other")

    assert refusal_of(session_of(mina)._replace(user_id=other.pk)) is TokenRevoked


def test_sessions_and_keys_end_by_themselves(mina: User) -> None:
    session, key = session_of(mina), key_of(mina)
    past = timezone.now() - timedelta(seconds=1)
    Session.objects.update(expires_at=past)
    ApiKey.objects.update(expires_at=past)

    assert [refusal_of(session), refusal_of(key)] == [TokenExpired, TokenExpired]


def test_password_set_by_whatever_means_ends_the_sessions(mina: User) -> None:
    session, key = session_of(mina), key_of(mina)

    mina.set_password("something new")
    mina.save()

    assert refusal_of(session) is TokenRevoked
    assert principal_of(key).username == "mina"
