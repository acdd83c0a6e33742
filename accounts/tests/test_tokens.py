"""Which bearer tokens are believed, on the REST views and by the chat plane's authenticator."""

from __future__ import annotations

import base64
import hmac
import json
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.test import Client
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

from accounts import tokens
from accounts.authentication import bearer_token
from accounts.models import Session, User
from accounts.principals import Credential, CredentialKind
from accounts.tokens import AccessTokenVerifier, issue_pair, issue_passing_token, verify_refresh_token
from gateway.errors import AuthenticationFailed, TokenExpired

SIGNING_KEY = str(settings.SIMPLE_JWT["SIGNING_KEY"])
OTHER_KEY = "k" * 40


class Clock:
    """A clock that stands until it is moved, in place of the module `time`."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


def payload_for(user: object, /, **changes: object) -> dict[str, Any]:
    now = int(time.time())
    claims = {
        **{"token_type": "access", "exp": now + 600, "iat": now, "jti": "1"},
        **{"iss": settings.SIMPLE_JWT["ISSUER"], "aud": settings.SIMPLE_JWT["AUDIENCE"]},
        **{"user_id": str(user), "sid": str(SESSION_ID)},
    }
    return {k: v for k, v in (claims | changes).items() if v is not None}


def signed(payload: dict[str, Any], *, key: Any = SIGNING_KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(payload, key, algorithm=algorithm)


def with_header(token: str, header: dict[str, str], hash_name: str = "sha256") -> str:
    """`token` with another header, signed anew with the gateway's own secret."""
    payload = token.split(".")[1]
    first = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    signature = hmac.digest(SIGNING_KEY.encode(), f"{first}.{payload}".encode(), hash_name)
    return f"{first}.{payload}." + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


USER_ID = uuid.uuid4()
SESSION_ID = uuid.uuid4()

FORGERIES: dict[str, Callable[[], str]] = {
    "alg none": lambda: signed(payload_for(USER_ID), key=None, algorithm="none"),
    "alg none, signature kept": lambda: (
        signed(payload_for(USER_ID), key=None, algorithm="none") + signed(payload_for(USER_ID)).split(".")[2]
    ),
    "other key": lambda: signed(payload_for(USER_ID), key=OTHER_KEY),
    "the other secret": lambda: signed(payload_for(USER_ID), key=settings.SECRET_KEY),
    "payload swapped": lambda: ".".join(
        [
            signed(payload_for(USER_ID)).split(".")[0],
            signed(payload_for(uuid.uuid4())).split(".")[1],
            signed(payload_for(USER_ID)).split(".")[2],
        ]
    ),
    "signature cut": lambda: signed(payload_for(USER_ID)).rpartition(".")[0] + ".",
    "no expiry": lambda: signed(payload_for(USER_ID, exp=None)),
    "no type": lambda: signed(payload_for(USER_ID, token_type=None)),
    "refresh type": lambda: signed(payload_for(USER_ID, token_type="refresh")),
    "no issuer": lambda: signed(payload_for(USER_ID, iss=None)),
    "other issuer": lambda: signed(payload_for(USER_ID, iss="somebody-else")),
    "no audience": lambda: signed(payload_for(USER_ID, aud=None)),
    "other audience": lambda: signed(payload_for(USER_ID, aud="another-service")),
    "no id": lambda: signed(payload_for(USER_ID, jti=None)),
    "no session": lambda: signed(payload_for(USER_ID, sid=None)),
    "session is no id": lambda: signed(payload_for(USER_ID, sid="1 OR 1=1")),
    "RS256 header, signed with the secret": lambda: with_header(
        signed(payload_for(USER_ID)), {"alg": "RS256", "typ": "JWT"}
    ),
    "HS512 in place of HS256": lambda: with_header(
        signed(payload_for(USER_ID)), {"alg": "HS512", "typ": "JWT"}, hash_name="sha512"
    ),
    "no user": lambda: signed(payload_for(USER_ID, user_id=None)),
    "user is no id": lambda: signed(payload_for("1 OR 1=1")),
    "user is a number": lambda: signed(payload_for(USER_ID) | {"user_id": 1}),
    "expiry is text": lambda: signed(payload_for(USER_ID, exp="tomorrow")),
    "not a token": lambda: "' OR 1=1 --",
    "not ascii": lambda: "토큰.토큰.토큰",
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_forged_token_is_refused(forge: Callable[[], str]) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        AccessTokenVerifier().verify(forge())

    assert caught.value.code == "invalid_api_key"


def test_honest_token_of_the_same_making_is_believed() -> None:
    claims = AccessTokenVerifier().verify(signed(payload_for(USER_ID)))

    assert claims.credential == Credential(CredentialKind.SESSION, SESSION_ID, USER_ID)


def test_expired_token_is_refused_as_expired() -> None:
    with pytest.raises(TokenExpired) as caught:
        AccessTokenVerifier().verify(signed(payload_for(USER_ID, exp=int(time.time()) - 15)))

    assert caught.value.code == "token_expired"


def test_clocks_may_differ_by_the_leeway() -> None:
    just_expired = signed(payload_for(USER_ID, exp=int(time.time()) - 5))

    assert AccessTokenVerifier().verify(just_expired).credential.user_id == USER_ID


def test_remembered_token_ends_at_its_own_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(tokens, "time", clock)
    verifier = AccessTokenVerifier()
    token = signed(payload_for(USER_ID, exp=int(clock.now) + 600))

    verifier.verify(token)
    clock.now += 605
    verifier.verify(token)
    clock.now += 6

    with pytest.raises(TokenExpired):
        verifier.verify(token)


def test_signature_of_a_remembered_token_is_not_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = AccessTokenVerifier()
    token = signed(payload_for(USER_ID))
    verifier.verify(token)

    def refuse(_raw: str) -> AccessToken:
        raise AssertionError("checked again")

    monkeypatch.setattr(tokens, "AccessToken", refuse)

    assert verifier.verify(token).credential.user_id == USER_ID


def test_forged_token_is_not_remembered() -> None:
    verifier = AccessTokenVerifier()

    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            verifier.verify(FORGERIES["other key"]())


@pytest.mark.django_db
def test_pair_is_for_its_user_and_each_half_for_its_purpose() -> None:
    user = User.objects.create(username="mina")

    pair = issue_pair(user)

    assert AccessTokenVerifier().verify(pair.access_token).credential.user_id == user.id
    assert verify_refresh_token(pair.refresh_token).credential.user_id == user.id
    assert pair.expires_in == api_settings.ACCESS_TOKEN_LIFETIME.total_seconds()
    with pytest.raises(AuthenticationFailed):
        verify_refresh_token(pair.access_token)


def test_expired_refresh_token_is_refused_as_expired() -> None:
    expired = payload_for(USER_ID, token_type="refresh", exp=int(time.time()) - 15)

    with pytest.raises(TokenExpired, match="refresh token has expired"):
        verify_refresh_token(signed(expired))


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER  abc "])
def test_bearer_token_is_found_in_its_header(header: str) -> None:
    assert bearer_token(header) == "abc"


@pytest.mark.parametrize("header", [None, "", "abc", "Bearer", "Bearer ", "Basic YTpi", "Token abc"])
def test_header_without_a_bearer_token_is_refused(header: str | None) -> None:
    with pytest.raises(AuthenticationFailed):
        bearer_token(header)


@pytest.mark.django_db
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_forged_token_is_a_401_on_rest(forge: Callable[[], str]) -> None:
    User.objects.create(id=USER_ID, username="mina")

    response = Client().get("/api/auth/me", headers={"Authorization": f"Bearer {forge()}"})

    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.django_db
def test_refresh_token_is_no_access_token_on_rest() -> None:
    pair = issue_pair(User.objects.create(username="mina"))

    response = Client().get("/api/auth/me", headers={"Authorization": f"Bearer {pair.refresh_token}"})

    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.django_db
def test_expired_token_is_a_401_that_says_so_on_rest() -> None:
    token = AccessToken(issue_pair(User.objects.create(username="mina")).access_token)  # type: ignore[arg-type]
    token.set_exp(lifetime=-timedelta(seconds=15))

    response = Client().get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})

    assert (response.status_code, response.json()["error"]["code"]) == (401, "token_expired")
    assert "WWW-Authenticate" in response.headers


@pytest.mark.django_db
def test_token_outlives_its_account_in_vain() -> None:
    user = User.objects.create(username="mina")
    token = issue_pair(user).access_token
    user.delete()

    response = Client().get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 401


@pytest.mark.django_db
def test_session_of_a_passing_token_ends_with_it() -> None:
    user = User.objects.create(username="mina")
    token = issue_passing_token(user, life=timedelta(hours=1), client="make-run")

    session = Session.objects.get()
    claims = AccessTokenVerifier().verify(token)
    assert session.expires_at - session.created_at == timedelta(hours=1)
    assert claims.expires_at == int(session.expires_at.timestamp())


@pytest.mark.django_db
def test_passing_tokens_of_one_client_share_a_session_that_is_named() -> None:
    user = User.objects.create(username="mina")
    first = issue_passing_token(user, life=timedelta(minutes=5), client="make-run")
    second = issue_passing_token(user, life=timedelta(hours=1), client="make-run")

    session = Session.objects.get()
    verifier = AccessTokenVerifier()
    assert session.user_agent == "make-run"
    assert {verifier.verify(token).credential.id for token in (first, second)} == {session.pk}
    assert verifier.verify(second).expires_at == int(session.expires_at.timestamp())
