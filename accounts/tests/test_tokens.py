"""Which bearer tokens are believed, on the REST views and by the chat plane's authenticator."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

from accounts import authentication, tokens
from accounts.authentication import Authenticator, bearer_token, load_principals
from accounts.models import Role, User
from accounts.tokens import AccessTokenVerifier, issue_pair, verify_refresh_token
from gateway.batching import BatchWorker
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
    claims = {"token_type": "access", "exp": now + 600, "iat": now, "jti": "1", "user_id": str(user)}
    return {k: v for k, v in (claims | changes).items() if v is not None}


def signed(payload: dict[str, Any], *, key: Any = SIGNING_KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(payload, key, algorithm=algorithm)


USER_ID = uuid.uuid4()

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
    assert AccessTokenVerifier().verify(signed(payload_for(USER_ID))).user_id == USER_ID


def test_expired_token_is_refused_as_expired() -> None:
    with pytest.raises(TokenExpired) as caught:
        AccessTokenVerifier().verify(signed(payload_for(USER_ID, exp=int(time.time()) - 5)))

    assert caught.value.code == "token_expired"


def test_remembered_token_ends_at_its_own_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(tokens, "time", clock)
    verifier = AccessTokenVerifier()
    token = signed(payload_for(USER_ID, exp=int(clock.now) + 600))

    verifier.verify(token)
    clock.now += 590
    verifier.verify(token)
    clock.now += 11

    with pytest.raises(TokenExpired):
        verifier.verify(token)


def test_signature_of_a_remembered_token_is_not_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = AccessTokenVerifier()
    token = signed(payload_for(USER_ID))
    verifier.verify(token)

    def refuse(_raw: str) -> AccessToken:
        raise AssertionError("checked again")

    monkeypatch.setattr(tokens, "AccessToken", refuse)

    assert verifier.verify(token).user_id == USER_ID


def test_forged_token_is_not_remembered() -> None:
    verifier = AccessTokenVerifier()

    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            verifier.verify(FORGERIES["other key"]())


def test_pair_is_for_its_user_and_each_half_for_its_purpose() -> None:
    user = User(username="mina")

    pair = issue_pair(user)

    assert AccessTokenVerifier().verify(pair.access_token).user_id == user.id
    assert verify_refresh_token(pair.refresh_token) == user.id
    assert pair.expires_in == api_settings.ACCESS_TOKEN_LIFETIME.total_seconds()
    with pytest.raises(AuthenticationFailed):
        verify_refresh_token(pair.access_token)


def test_expired_refresh_token_is_refused_as_expired() -> None:
    expired = payload_for(USER_ID, token_type="refresh", exp=int(time.time()) - 5)

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
    token = AccessToken.for_user(User.objects.create(username="mina"))
    token.set_exp(lifetime=-timedelta(seconds=5))

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
def test_principals_are_loaded_in_order_and_only_active_ones(
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    admin = User.objects.create(username="admin", role=Role.ADMIN)
    mina = User.objects.create(username="mina", default_system_prompt="Be brief.")
    gone = User.objects.create(username="gone", is_active=False)

    with django_assert_num_queries(1):
        found = load_principals([mina.id, uuid.uuid4(), gone.id, admin.id, mina.id])

    assert [p and p.username for p in found] == ["mina", None, None, "admin", "mina"]
    assert [p.role for p in found if p] == [Role.USER, Role.ADMIN, Role.USER]
    assert found[0] is not None
    assert found[0].default_system_prompt == "Be brief."


class CountingWorker(BatchWorker):
    """A batch worker that counts what it is asked."""

    submitted = 0

    async def submit(self, handler: Any, item: Any) -> Any:
        self.submitted += 1
        return await super().submit(handler, item)


@pytest.fixture
async def worker() -> AsyncIterator[CountingWorker]:
    running = CountingWorker()
    yield running
    await running.stop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(authentication, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def mina(transactional_db: None) -> User:
    return User.objects.create(username="mina")


def change(user: User, **columns: object) -> None:
    """Change an account from a thread of its own, which leaves no connection behind."""
    try:
        User.objects.filter(pk=user.pk).update(**columns)
    finally:
        connections.close_all()


async def test_authenticator_remembers_an_account_for_a_short_while(
    worker: CountingWorker, clock: Clock, mina: User
) -> None:
    header = f"Bearer {issue_pair(mina).access_token}"
    authenticator = Authenticator(worker)

    first = await authenticator.authenticate(header)
    second = await authenticator.authenticate(header)
    clock.now += 5
    third = await authenticator.authenticate(header)

    assert first == second == third
    assert (first.user_id, first.username, worker.submitted) == (mina.id, "mina", 2)


async def test_deactivation_and_role_change_are_seen_after_that_while(
    worker: CountingWorker, clock: Clock, mina: User
) -> None:
    header = f"Bearer {issue_pair(mina).access_token}"
    authenticator = Authenticator(worker)
    await authenticator.authenticate(header)

    await asyncio.to_thread(change, mina, role=Role.ADMIN)
    clock.now += 5
    promoted = await authenticator.authenticate(header)
    await asyncio.to_thread(change, mina, is_active=False)
    clock.now += 5

    assert promoted.role is Role.ADMIN
    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            await authenticator.authenticate(header)


async def test_authenticator_asks_no_database_about_a_bad_token(worker: CountingWorker) -> None:
    authenticator = Authenticator(worker)

    for header in (None, "Bearer x", f"Bearer {FORGERIES['other key']()}"):
        with pytest.raises(AuthenticationFailed):
            await authenticator.authenticate(header)

    assert worker.submitted == 0
