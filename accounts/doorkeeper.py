"""Who asks, and may they now? What every request of the chat plane goes through first."""

from __future__ import annotations

import structlog
from starlette.requests import Request

from accounts.authentication import Authenticator
from accounts.limits.limiter import Admission, Limiter
from accounts.limits.rules import Allowance
from accounts.origin import find_address
from accounts.principals import Principal
from gateway.errors import AuthenticationFailed, DependencyUnavailable

log = structlog.get_logger()

ADMISSION = "gateway.admission"
"""Where the ASGI scope of a request has its `Admission`; whoever runs the request ends it."""


class Doorkeeper:
    """One per web process."""

    def __init__(
        self,
        authenticator: Authenticator,
        limiter: Limiter,
        *,
        address_limit: Allowance,
        trusted_proxy_hops: int,
    ) -> None:
        self._authenticator = authenticator
        self._limiter = limiter
        self._address_limit = address_limit
        self._trusted_proxy_hops = trusted_proxy_hops

    async def identify(self, request: Request, *scopes: str) -> Principal:
        """Whose credential came with the request; it has one of `scopes`.

        Raises AuthenticationFailed, PermissionDenied, or RateLimitExceeded for an address from which too
        many bad credentials came.
        """
        try:
            principal = await self._authenticator.authenticate(request.headers.get("authorization"))
        except AuthenticationFailed:
            await self._count_stranger(request)
            raise
        principal.require(*scopes)
        return principal

    async def admit(self, request: Request, *scopes: str) -> tuple[Principal, Admission]:
        """The same for a request that an engine will answer: it counts under the caller's limits.

        Raises also RateLimitExceeded, InsufficientQuota and ConcurrencyLimitExceeded.
        """

        async def count(principal: Principal) -> Admission:
            principal.require(*scopes)
            admission = await self._limiter.admit(principal)
            # At once: should the credential turn out to be revoked, the admission has to end all the same.
            request.scope[ADMISSION] = admission
            return admission

        try:
            principal, admission = await self._authenticator.admit(
                request.headers.get("authorization"), count
            )
        except AuthenticationFailed:
            await self._count_stranger(request)
            raise
        principal.require(*scopes)
        return principal, admission

    async def _count_stranger(self, request: Request) -> None:
        address = find_address(
            peer=request.client.host if request.client else "",
            forwarded_for=",".join(request.headers.getlist("x-forwarded-for")),
            trusted_hops=self._trusted_proxy_hops,
        )
        try:
            await self._limiter.admit_address(address, self._address_limit)
        except DependencyUnavailable as exc:
            # It is refused in any case, and a 401 says more than a 503.
            log.warning("stranger_not_counted", error=exc.code)
