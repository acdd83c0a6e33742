"""The chat plane's authenticator: asks the database when something is new or has changed, and only then."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from accounts import authentication
from accounts.api_keys import change_api_key, issue_api_key, revoke_api_key
from accounts.authentication import Authenticator
from accounts.change_origin import COMMAND, SYSTEM
from accounts.keys import make_key
from accounts.models import ApiKey, Role, Session, User
from accounts.principals import Principal
from accounts.redis_batch import RedisBatch
from accounts.services import change_profile, set_active, set_new_password
from accounts.sessions import end_sessions, log_out
from accounts.stamps import NoStamps, RedisStamps
from accounts.tests.chat_plane import CountingWorker, in_thread
from accounts.tokens import TokenPair, issue_pair
from gateway.errors import AuthenticationFailed, RateLimitExceeded, TokenRevoked
from modelops.simulator.process import find_free_port

PASSWORD = "correct horse battery staple"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def mina(transactional_db: None) -> User:
    return User.objects.create(username="mina")


async def pair_of(user: User) -> TokenPair:
    pair: TokenPair = await in_thread(issue_pair, user)
    return pair


async def key_of(user: User) -> tuple[ApiKey, str]:
    issued = await in_thread(issue_api_key, user=user, name="k", scopes=["chat"], origin=COMMAND)
    return issued.row, f"Bearer {issued.key}"


async def test_nothing_is_read_while_nothing_changed(
    authenticator: Authenticator, worker: CountingWorker, mina: User
) -> None:
    session, (_row, key) = f"Bearer {(await pair_of(mina)).access_token}", await key_of(mina)
    for header in (session, key):
        await authenticator.authenticate(header)
    before = worker.reads

    for header in (session, key) * 5:
        assert (await authenticator.authenticate(header)).username == "mina"

    assert worker.reads == before


CHANGES: dict[str, Callable[[User, TokenPair], Any]] = {
    "logout": lambda user, pair: log_out(refresh_token=pair.refresh_token, origin=SYSTEM),
    "logout everywhere": lambda user, pair: log_out(
        refresh_token=pair.refresh_token, everywhere=True, origin=SYSTEM
    ),
    "password": lambda user, pair: set_new_password(user=user, password=PASSWORD, origin=COMMAND),
    "deactivation": lambda user, pair: set_active(user=user, is_active=False, origin=COMMAND),
    "revocation": lambda user, pair: end_sessions([user], reason=Session.EndReason.ADMIN, origin=COMMAND),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_revocation_is_seen_by_the_very_next_request(
    authenticator: Authenticator, mina: User, change: Callable[[User, TokenPair], Any]
) -> None:
    pair = await pair_of(mina)
    header = f"Bearer {pair.access_token}"
    await authenticator.authenticate(header)

    await in_thread(change, mina, pair)

    for _ in range(2):
        with pytest.raises(TokenRevoked):
            await authenticator.authenticate(header)


async def test_revoked_key_is_refused_by_the_very_next_request(
    authenticator: Authenticator, mina: User
) -> None:
    row, header = await key_of(mina)
    await authenticator.authenticate(header)

    await in_thread(revoke_api_key, key=row, origin=COMMAND)

    with pytest.raises(TokenRevoked):
        await authenticator.authenticate(header)


async def test_changed_scopes_and_system_prompt_count_on_the_next_request(
    authenticator: Authenticator, mina: User
) -> None:
    row, header = await key_of(mina)
    await authenticator.authenticate(header)

    await in_thread(change_api_key, user=mina, key_id=row.pk, changes={"scopes": ["history"]}, origin=COMMAND)
    await in_thread(change_profile, user=mina, changes={"default_system_prompt": "Be brief."})
    principal = await authenticator.authenticate(header)

    assert (principal.scopes, principal.default_system_prompt) == (frozenset({"history"}), "Be brief.")


async def test_refusals_are_remembered_too(
    authenticator: Authenticator, worker: CountingWorker, mina: User
) -> None:
    pair = await pair_of(mina)
    await in_thread(log_out, refresh_token=pair.refresh_token, origin=SYSTEM)
    for _ in range(2):
        with pytest.raises(TokenRevoked):
            await authenticator.authenticate(f"Bearer {pair.access_token}")
    before = worker.reads

    with pytest.raises(TokenRevoked):
        await authenticator.authenticate(f"Bearer {pair.access_token}")

    assert worker.reads == before


async def test_change_by_hand_is_seen_after_a_while(
    authenticator: Authenticator, mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(authentication, "time", SimpleNamespace(monotonic=clock.monotonic, time=lambda: 0.0))
    header = f"Bearer {(await pair_of(mina)).access_token}"
    await authenticator.authenticate(header)
    await in_thread(User.objects.filter(pk=mina.pk).update, role=Role.ADMIN)

    clock.now += authentication.PRINCIPAL_LIFE_S
    principal = await authenticator.authenticate(header)

    assert principal.role is Role.ADMIN


async def test_without_shared_stamps_every_request_asks_the_database(
    worker: CountingWorker, mina: User
) -> None:
    authenticator = Authenticator(worker, NoStamps())
    header = f"Bearer {(await pair_of(mina)).access_token}"

    for _ in range(3):
        await authenticator.authenticate(header)

    assert worker.reads == 3


async def test_redis_that_is_down_costs_a_query_and_no_decision(worker: CountingWorker, mina: User) -> None:
    redis = Redis(host="127.0.0.1", port=find_free_port(), retry=Retry(NoBackoff(), 0))
    authenticator = Authenticator(worker, RedisStamps(RedisBatch(redis)))
    header = f"Bearer {(await pair_of(mina)).access_token}"

    names = [(await authenticator.authenticate(header)).username for _ in range(2)]

    await redis.aclose()
    assert (names, worker.reads) == (["mina", "mina"], 2)


async def test_bad_credentials_ask_no_database(
    authenticator: Authenticator, worker: CountingWorker, transactional_db: None
) -> None:
    made_up = make_key().key
    tampered = made_up[:-1] + ("a" if made_up[-1] != "a" else "b")

    for header in (None, "Bearer x", "Bearer sk-x", "Bearer sk-' OR 1=1 --", f"Bearer {tampered}"):
        with pytest.raises(AuthenticationFailed):
            await authenticator.authenticate(header)

    assert worker.reads == 0


async def test_well_formed_key_that_was_never_issued_is_refused(
    authenticator: Authenticator, transactional_db: None
) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        await authenticator.authenticate(f"Bearer {make_key().key}")

    assert caught.value.code == "invalid_api_key"


async def test_admission_counts_for_the_principal(authenticator: Authenticator, mina: User) -> None:
    header = f"Bearer {(await pair_of(mina)).access_token}"

    async def count(principal: Principal) -> str:
        return f"counted {principal.username}"

    answers = [(await authenticator.authenticate_and_count(header, count))[1] for _ in range(2)]

    assert answers == ["counted mina", "counted mina"]


async def test_admission_tells_a_revoked_credential_so_even_past_its_limit(
    authenticator: Authenticator, mina: User
) -> None:
    pair = await pair_of(mina)
    header = f"Bearer {pair.access_token}"

    async def refuse(_principal: Principal) -> None:
        raise RateLimitExceeded

    with pytest.raises(RateLimitExceeded):
        await authenticator.authenticate_and_count(header, refuse)
    await in_thread(log_out, refresh_token=pair.refresh_token, origin=SYSTEM)
    with pytest.raises(TokenRevoked):
        await authenticator.authenticate_and_count(header, refuse)


async def test_use_of_a_key_is_put_on_record(authenticator: Authenticator, mina: User) -> None:
    row, header = await key_of(mina)

    for _ in range(2):
        await authenticator.authenticate(header)
    await authenticator.settled()

    await in_thread(row.refresh_from_db)
    assert row.last_used_at is not None
