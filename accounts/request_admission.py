"""Admission control of the chat plane: authenticates each request and counts it under its limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import structlog
from starlette.requests import Request

from accounts.access_log import name_caller
from accounts.authentication import Authenticator
from accounts.client_address import find_address
from accounts.credential_headers import authorization_of
from accounts.limits.limiter import Admission, Limiter
from accounts.limits.rules import Allowance, call_rules
from accounts.principals import Principal
from gateway.errors import AuthenticationFailed, DependencyUnavailable

log = structlog.get_logger()

ADMISSION = "gateway.admission"
"""The key of a request's `Admission` in its ASGI scope. `chat.plane` ends it when the request is over."""


class RequestAdmission:
    """Authenticates and counts requests; one per web process.

    A request counts once, whichever methods are called for it, and one that the credential may not make
    counts as a call. Every method raises AuthenticationFailed, PermissionDenied (the credential has none of
    `scopes`) or RateLimitExceeded, the last also for an address that sent too many bad credentials.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        limiter: Limiter,
        *,
        address_limit: Allowance,
        call_limit: Allowance,
        event_streams: int,
        trusted_proxy_hops: int,
    ) -> None:
        self._authenticator = authenticator
        self._limiter = limiter
        self._address_limit = address_limit
        self._call_limit = call_limit
        self._event_streams = event_streams
        self._trusted_proxy_hops = trusted_proxy_hops

    async def authenticate(self, request: Request, *scopes: str) -> Principal:
        """The principal of a request that no engine answers; counts under the account's rate of calls.

        May be called again later in the request, to see whether the credential is still good.
        """

        async def count(principal: Principal) -> Admission:
            return await self._limiter.admit_call(call_rules(principal.user_id, self._call_limit))

        principal, _admission = await self._admit(request, scopes, count)
        return principal

    async def admit_event_stream(self, request: Request, *scopes: str) -> Principal:
        """The principal of a request for an event stream, of which an account may have so many at a time.

        Raises also ConcurrencyLimitExceeded.
        """

        async def count(principal: Principal) -> Admission:
            return await self._limiter.admit_call(
                call_rules(principal.user_id, self._call_limit, event_streams=self._event_streams)
            )

        principal, _admission = await self._admit(request, scopes, count)
        return principal

    async def admit_generation(self, request: Request, *scopes: str) -> tuple[Principal, Admission]:
        """The principal and the admission of a request that an engine will answer.

        Counts under the caller's limits. Raises also InsufficientQuota and ConcurrencyLimitExceeded.
        """
        return await self._admit(request, scopes, self._limiter.admit_generation)

    async def _admit(
        self, request: Request, scopes: Sequence[str], limit: Callable[[Principal], Awaitable[Admission]]
    ) -> tuple[Principal, Admission]:
        async def count(principal: Principal) -> Admission:
            # Before anything is refused: the line of the access log says whom.
            name_caller(request.scope, principal.user_id, principal.kind, principal.key_id)
            if (counted := request.scope.get(ADMISSION)) is not None:
                return cast(Admission, counted)
            if not principal.has(*scopes):
                # Refused, but counted all the same.
                await self._limiter.admit_call(call_rules(principal.user_id, self._call_limit))
                principal.require(*scopes)
            admission = await limit(principal)
            # At once: should the credential turn out to be revoked, the admission has to end all the same.
            request.scope[ADMISSION] = admission
            return admission

        try:
            principal, admission = await self._authenticator.authenticate_and_count(
                authorization_of(request.scope), count
            )
        except AuthenticationFailed:
            await self._count_failed_authentication(request)
            raise
        principal.require(*scopes)
        return principal, admission

    def address_of(self, request: Request) -> str | None:
        """The client's address; None when it is unknown."""
        return find_address(
            peer=request.client.host if request.client else "",
            forwarded_for=",".join(request.headers.getlist("x-forwarded-for")),
            trusted_hops=self._trusted_proxy_hops,
        )

    async def _count_failed_authentication(self, request: Request) -> None:
        try:
            await self._limiter.admit_unauthenticated(self.address_of(request), self._address_limit)
        except DependencyUnavailable as exc:
            # It is refused in any case, and a 401 says more than a 503.
            log.warning("stranger_not_counted", error=exc.code)
