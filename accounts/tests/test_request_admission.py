"""What every request of the chat plane goes through first."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from accounts.api_keys import change_api_key, issue_api_key
from accounts.authentication import Authenticator
from accounts.change_origin import COMMAND
from accounts.limits.limiter import Limiter
from accounts.limits.rules import Allowance, LimitBook
from accounts.limits.store import MemoryLimits
from accounts.models import User
from accounts.request_admission import ADMISSION, RequestAdmission
from accounts.scopes import Scope
from accounts.sessions import log_out
from accounts.tests.chat_plane import in_thread
from accounts.tokens import issue_pair
from accounts.usage.log import UsageLog
from gateway.errors import (
    AuthenticationFailed,
    ConcurrencyLimitExceeded,
    PermissionDenied,
    RateLimitExceeded,
    TokenRevoked,
)

MANY = Allowance(1_000, 60)


@pytest.fixture
def admission(authenticator: Authenticator) -> RequestAdmission:
    limiter = Limiter(MemoryLimits(lease_s=60), UsageLog(), LimitBook((), {}))
    return RequestAdmission(
        authenticator,
        limiter,
        address_limit=MANY,
        call_limit=Allowance(4, 60),
        event_streams=2,
        trusted_proxy_hops=0,
    )


@pytest.fixture
def mina(transactional_db: None) -> User:
    return User.objects.create(username="mina")


def request_with(credential: str) -> Request:
    headers = [(b"authorization", f"Bearer {credential}".encode())]
    return Request({"type": "http", "headers": headers, "client": ("10.0.0.1", 1)})


async def test_scopes_taken_from_a_key_are_missed_on_its_next_request(
    admission: RequestAdmission, mina: User
) -> None:
    issued = await in_thread(issue_api_key, user=mina, name="k", scopes=["chat"], origin=COMMAND)
    await admission.admit_generation(request_with(issued.key), "chat")

    narrower = {"scopes": ["embeddings"]}
    await in_thread(change_api_key, user=mina, key_id=issued.row.pk, changes=narrower, origin=COMMAND)

    with pytest.raises(PermissionDenied):
        await admission.admit_generation(request_with(issued.key), "chat")


async def test_scopes_given_to_a_key_count_on_its_next_request(
    admission: RequestAdmission, mina: User
) -> None:
    issued = await in_thread(issue_api_key, user=mina, name="k", scopes=["embeddings"], origin=COMMAND)
    with pytest.raises(PermissionDenied):
        await admission.admit_generation(request_with(issued.key), "chat")

    wider = {"scopes": ["embeddings", "chat"]}
    await in_thread(change_api_key, user=mina, key_id=issued.row.pk, changes=wider, origin=COMMAND)

    principal, _admission = await admission.admit_generation(request_with(issued.key), "chat")
    assert principal.scopes == frozenset({Scope.EMBEDDINGS, Scope.CHAT})


async def test_calls_that_no_engine_answers_are_limited_for_each_account(
    admission: RequestAdmission, mina: User
) -> None:
    token = (await in_thread(issue_pair, mina)).access_token
    other = (await in_thread(issue_pair, await in_thread(User.objects.create, username="juno"))).access_token
    for _ in range(4):
        await admission.authenticate(request_with(token))

    with pytest.raises(RateLimitExceeded) as caught:
        await admission.authenticate(request_with(token))

    assert caught.value.code == "rate_limit_exceeded"
    assert (await admission.authenticate(request_with(other))).username == "juno"
    assert (await admission.admit_generation(request_with(token)))[0].username == "mina"


async def test_request_counts_once_however_often_it_is_asked_whose_it_is(
    admission: RequestAdmission, mina: User
) -> None:
    request = request_with((await in_thread(issue_pair, mina)).access_token)

    names = {(await admission.authenticate(request)).username for _ in range(5)}

    assert names == {"mina"}


async def test_request_that_lasts_is_told_when_its_credential_no_longer_counts(
    admission: RequestAdmission, mina: User
) -> None:
    pair = await in_thread(issue_pair, mina)
    request = request_with(pair.access_token)
    await admission.admit_event_stream(request)

    await in_thread(log_out, refresh_token=pair.refresh_token, origin=COMMAND)

    with pytest.raises(TokenRevoked):
        await admission.authenticate(request)


async def test_account_listens_so_often_at_a_time_until_one_leaves(
    admission: RequestAdmission, mina: User
) -> None:
    token = (await in_thread(issue_pair, mina)).access_token
    first, second = request_with(token), request_with(token)
    await admission.admit_event_stream(first)
    await admission.admit_event_stream(second)

    with pytest.raises(ConcurrencyLimitExceeded, match="2 event streams"):
        await admission.admit_event_stream(request_with(token))
    first.scope[ADMISSION].end()

    assert (await admission.admit_event_stream(request_with(token))).username == "mina"


async def test_what_a_good_key_may_not_do_counts_as_a_call(admission: RequestAdmission, mina: User) -> None:
    issued = await in_thread(issue_api_key, user=mina, name="k", scopes=["embeddings"], origin=COMMAND)
    for _ in range(2):
        with pytest.raises(PermissionDenied):
            await admission.admit_generation(request_with(issued.key), "chat")
        with pytest.raises(PermissionDenied):
            await admission.authenticate(request_with(issued.key), "chat")

    with pytest.raises(RateLimitExceeded):
        await admission.admit_generation(request_with(issued.key), "chat")
    with pytest.raises(RateLimitExceeded):
        await admission.admit_event_stream(request_with(issued.key), "chat")


async def test_rates_of_zero_are_none_on_the_chat_plane(authenticator: Authenticator, mina: User) -> None:
    none = Allowance(0, 60)
    unlimited = RequestAdmission(
        authenticator,
        Limiter(MemoryLimits(lease_s=60), UsageLog(), LimitBook((), {})),
        address_limit=none,
        call_limit=none,
        event_streams=0,
        trusted_proxy_hops=0,
    )
    token = (await in_thread(issue_pair, mina)).access_token

    for _ in range(5):
        await unlimited.authenticate(request_with(token))
        with pytest.raises(AuthenticationFailed):
            await unlimited.authenticate(request_with("nonsense"))
