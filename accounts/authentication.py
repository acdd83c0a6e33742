"""From a credential to a `Principal`, for the chat plane. The REST views' twin is rest_authentication."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from cachetools import LRUCache

from accounts.models import Role, User
from accounts.tokens import AccessTokenVerifier
from gateway.batching import BatchWorker
from gateway.errors import AuthenticationFailed

CACHED_PRINCIPALS = 10_000
PRINCIPAL_LIFE_S = 5.0
"""A deactivated account or a changed role is seen after this long at the latest."""


@dataclass(frozen=True)
class Principal:
    """Who asks."""

    user_id: uuid.UUID
    username: str
    role: Role
    default_system_prompt: str = ""


def bearer_token(authorization: str | None) -> str:
    """The token of an Authorization header. Raises AuthenticationFailed when there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthenticationFailed
    return token.strip()


class Authenticator:
    """Turns an Authorization header into a Principal; one per web process."""

    def __init__(self, worker: BatchWorker) -> None:
        self._worker = worker
        self._verifier = AccessTokenVerifier()
        self._principals: LRUCache[uuid.UUID, tuple[Principal, float]] = LRUCache(CACHED_PRINCIPALS)

    async def authenticate(self, authorization: str | None) -> Principal:
        """Raises AuthenticationFailed or TokenExpired."""
        claims = self._verifier.verify(bearer_token(authorization))
        known, loaded_at = self._principals.get(claims.user_id, (None, 0.0))
        if known is not None and time.monotonic() - loaded_at < PRINCIPAL_LIFE_S:
            return known
        principal = await self._worker.submit(load_principals, claims.user_id)
        if principal is None:
            self._principals.pop(claims.user_id, None)
            raise AuthenticationFailed("The account of this token is not active.")
        self._principals[claims.user_id] = (principal, time.monotonic())
        return principal


def load_principals(user_ids: Sequence[uuid.UUID]) -> list[Principal | None]:
    """The active accounts among `user_ids`, in their order; None for the others."""
    rows = User.objects.filter(pk__in=set(user_ids), is_active=True).values_list(
        "pk", "username", "role", "default_system_prompt"
    )
    found = {pk: Principal(pk, username, Role(role), prompt) for pk, username, role, prompt in rows}
    return [found.get(user_id) for user_id in user_ids]
