"""What every request of the chat plane goes through first."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from accounts.api_keys import change_api_key, issue_api_key
from accounts.authentication import Authenticator
from accounts.doorkeeper import Doorkeeper
from accounts.limits.limiter import Limiter
from accounts.limits.rules import Allowance, LimitBook
from accounts.limits.store import MemoryLimits
from accounts.limits.usage import UsageLog
from accounts.models import User
from accounts.origin import COMMAND
from accounts.scopes import Scope
from accounts.tests.chat_plane import in_thread
from gateway.errors import PermissionDenied

MANY = Allowance(1_000, 60)


@pytest.fixture
def doorkeeper(authenticator: Authenticator) -> Doorkeeper:
    limiter = Limiter(MemoryLimits(lease_s=60), UsageLog(), LimitBook((), {}))
    return Doorkeeper(authenticator, limiter, address_limit=MANY, trusted_proxy_hops=0)


@pytest.fixture
def mina(transactional_db: None) -> User:
    return User.objects.create(username="mina")


def request_with(credential: str) -> Request:
    headers = [(b"authorization", f"Bearer {credential}".encode())]
    return Request({"type": "http", "headers": headers, "client": ("10.0.0.1", 1)})


async def test_scopes_taken_from_a_key_are_missed_on_its_next_request(
    doorkeeper: Doorkeeper, mina: User
) -> None:
    issued = await in_thread(issue_api_key, user=mina, name="k", scopes=["chat"], origin=COMMAND)
    await doorkeeper.admit(request_with(issued.key), "chat")

    narrower = {"scopes": ["embeddings"]}
    await in_thread(change_api_key, user=mina, key_id=issued.row.pk, changes=narrower, origin=COMMAND)

    with pytest.raises(PermissionDenied):
        await doorkeeper.admit(request_with(issued.key), "chat")


async def test_scopes_given_to_a_key_count_on_its_next_request(doorkeeper: Doorkeeper, mina: User) -> None:
    issued = await in_thread(issue_api_key, user=mina, name="k", scopes=["embeddings"], origin=COMMAND)
    with pytest.raises(PermissionDenied):
        await doorkeeper.admit(request_with(issued.key), "chat")

    wider = {"scopes": ["embeddings", "chat"]}
    await in_thread(change_api_key, user=mina, key_id=issued.row.pk, changes=wider, origin=COMMAND)

    principal, _admission = await doorkeeper.admit(request_with(issued.key), "chat")
    assert principal.scopes == frozenset({Scope.EMBEDDINGS, Scope.CHAT})
