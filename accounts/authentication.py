"""Authenticates requests of the chat plane; `accounts.rest_authentication` does those of REST views."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from cachetools import LRUCache

from accounts.keys import digest_of, is_digest_of, looks_like_key, prefix_of
from accounts.last_used import LastUsedThrottle, record_last_used
from accounts.models import ApiKey
from accounts.principals import Credential, CredentialKind, Principal, check_credentials
from accounts.stamps import NoStamps, Stamps
from accounts.tokens import AccessTokenVerifier
from gateway.batching import BatchWorker
from gateway.errors import AuthenticationFailed, DependencyUnavailable, GatewayError

log = structlog.get_logger()

CACHED_PRINCIPALS = 10_000
PRINCIPAL_LIFE_S = 60.0
"""A change that was not announced (by hand, in the database) takes effect after this time at the latest."""

Counted = TypeVar("Counted")


@dataclass(frozen=True)
class _Remembered:
    outcome: Principal | AuthenticationFailed
    stamp: bytes
    until: float


def bearer_token(authorization: str | None) -> str:
    """The token of an Authorization header. Raises AuthenticationFailed when there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthenticationFailed
    return token.strip()


class Authenticator:
    """Turns an Authorization header into a Principal; one per web process.

    Reads the database for a credential that is new or whose account has changed. Otherwise compares the
    account's stamp only.
    """

    def __init__(self, worker: BatchWorker, stamps: Stamps | None = None) -> None:
        self._worker = worker
        self._stamps = stamps or NoStamps()
        self._verifier = AccessTokenVerifier()
        self._keys: LRUCache[str, Credential] = LRUCache(CACHED_PRINCIPALS)
        self._remembered: LRUCache[Credential, _Remembered] = LRUCache(CACHED_PRINCIPALS)
        self._last_used_throttle = LastUsedThrottle()
        self._recordings: set[asyncio.Task[None]] = set()

    async def authenticate(self, authorization: str | None) -> Principal:
        """Raises AuthenticationFailed (TokenExpired, TokenRevoked)."""
        credential = await self._recognise(bearer_token(authorization))
        asked = self._stamps.ask(credential.user_id)
        principal = await self._check(credential, asked)
        self._record_use(credential)
        return principal

    async def authenticate_and_count(
        self, authorization: str | None, count: Callable[[Principal], Awaitable[Counted]]
    ) -> tuple[Principal, Counted]:
        """As `authenticate`, and the result of `count` for the principal, such as an admission.

        For a cached credential both share one round trip to Redis. `count` may then be called with the
        principal as it was before a change, so callers check rights on the principal that is returned. A bad
        credential raises AuthenticationFailed, also when `count` raised another error.
        """
        credential = await self._recognise(bearer_token(authorization))
        known = self._recall(credential)
        if known is None or isinstance(known.outcome, AuthenticationFailed):
            principal = await self._check(credential, self._stamps.ask(credential.user_id))
            self._record_use(credential)
            return principal, await count(principal)
        asked = self._stamps.ask(credential.user_id)
        try:
            counted = await count(known.outcome)
        except GatewayError:
            principal = await self._check(credential, asked, known)
            if principal == known.outcome:
                raise
            counted = await count(principal)  # the refusal was about the principal before a change
        except BaseException:
            asked.cancel()
            raise
        else:
            principal = await self._check(credential, asked, known)
        self._record_use(credential)
        return principal, counted

    async def _recognise(self, raw: str) -> Credential:
        if not looks_like_key(raw):
            return self._verifier.verify(raw).credential
        digest = digest_of(raw)
        credential = self._keys.get(digest)
        if credential is None:
            if prefix_of(raw) is None:
                raise AuthenticationFailed("The API key is not valid.")
            # The account of a key never changes; whether the key is good is checked on every request.
            credential = self._keys[digest] = await self._worker.submit(find_keys, raw)
        return credential

    async def _check(
        self, credential: Credential, asked: Awaitable[bytes | None], known: _Remembered | None = None
    ) -> Principal:
        """`known` is what was remembered of it a moment ago."""
        try:
            stamp = await asked
            if known is None or known.stamp != stamp:
                known = self._recall(credential)
            if known is not None and known.stamp == stamp:
                return _raise_or_return(known.outcome)
            stamp = stamp or await self._stamps.renew(credential.user_id)
        except DependencyUnavailable:
            # Without the stamps every request reads the database, which is slower and never stale.
            stamp = None
        result = await self._worker.submit(load_authentication_results, credential)
        if stamp is None:
            self._remembered.pop(credential, None)
        else:
            self._remembered[credential] = _Remembered(result.outcome, stamp, _good_until(result.outcome))
        return _raise_or_return(result.outcome)

    def _recall(self, credential: Credential) -> _Remembered | None:
        try:
            known = self._remembered[credential]  # `get` would look twice
        except KeyError:
            return None
        return None if known.until <= time.monotonic() else known

    def _record_use(self, credential: Credential) -> None:
        """Record the use in the background, once a minute."""
        if not self._last_used_throttle.is_due(credential):
            return
        task = asyncio.create_task(self._write_use(credential), name="note-use")
        self._recordings.add(task)
        task.add_done_callback(self._recordings.discard)

    async def settled(self) -> None:
        """Wait until the uses of credentials are on record."""
        await asyncio.gather(*self._recordings)

    async def _write_use(self, credential: Credential) -> None:
        try:
            await self._worker.submit(record_last_used, credential)
        except GatewayError as exc:
            log.warning("use_not_noted", error=exc.code)


def _good_until(outcome: Principal | AuthenticationFailed) -> float:
    """Until when the outcome may be cached, in `time.monotonic` seconds: not past the credential's expiry."""
    life_s = PRINCIPAL_LIFE_S
    if isinstance(outcome, Principal) and outcome.ends_at is not None:
        life_s = min(life_s, outcome.ends_at.timestamp() - time.time())
    return time.monotonic() + life_s


@dataclass(frozen=True)
class AuthenticationResult:
    """Wraps the outcome, because the batch worker raises results that are exceptions."""

    outcome: Principal | AuthenticationFailed


def load_authentication_results(credentials: Sequence[Credential]) -> list[AuthenticationResult]:
    """A handler of `gateway.batching`: checks each credential against the database, in order."""
    return [
        AuthenticationResult(found if isinstance(found, AuthenticationFailed) else found[1])
        for found in check_credentials(credentials)
    ]


def find_keys(raw_keys: Sequence[str]) -> list[Credential | AuthenticationFailed]:
    """The credential of each key, in order, expired and revoked ones too; one query.

    AuthenticationFailed in place of a key that was never issued.
    """
    prefixes = {raw: prefix_of(raw) for raw in raw_keys}
    rows = ApiKey.objects.filter(prefix__in={p for p in prefixes.values() if p})
    stored = {row.prefix: row for row in rows.only("id", "user_id", "prefix", "digest")}
    found: list[Credential | AuthenticationFailed] = []
    for raw in raw_keys:
        row = stored.get(prefixes[raw] or "")
        if row is not None and is_digest_of(raw, row.digest):
            found.append(Credential(CredentialKind.KEY, row.id, row.user_id))
        else:
            found.append(AuthenticationFailed("The API key is not valid."))
    return found


def _raise_or_return(result: Principal | AuthenticationFailed) -> Principal:
    if isinstance(result, AuthenticationFailed):
        raise type(result)(result.message)
    return result
