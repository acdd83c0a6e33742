"""The limit store of a deployment, and how limits count while Redis does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from accounts.limits.redis import RedisLimits
from accounts.limits.rules import Decision
from accounts.limits.store import AnswerLease, LimitStore, MemoryLimits
from accounts.redis_batch import RedisBatch
from gateway.conf import GatewayConfig
from gateway.errors import DependencyUnavailable


class FallbackLimits:
    """A `LimitStore` that counts in `shared`, and while that does not answer in this process's memory.

    Meanwhile each process allows the whole of every limit by itself, and windows start again.
    """

    def __init__(self, shared: LimitStore, own: MemoryLimits) -> None:
        self._shared = shared
        self._own = own

    async def acquire(self, lease: AnswerLease) -> Decision:
        try:
            return await self._shared.acquire(lease)
        except DependencyUnavailable:
            return await self._own.acquire(lease)

    def end(self, lease: AnswerLease, tokens: int) -> asyncio.Future[None]:
        self._own.end(lease, 0)  # wherever it was admitted
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle(shared: asyncio.Future[None]) -> None:
            if not shared.cancelled() and shared.exception() is not None:
                self._own.end(lease, tokens)
            if not ended.done():
                ended.set_result(None)

        self._shared.end(lease, tokens).add_done_callback(settle)
        return ended

    async def renew(self, leases: Sequence[AnswerLease]) -> None:
        try:
            await self._shared.renew(leases)
        except DependencyUnavailable:
            await self._own.renew(leases)


def open_limits(batch: RedisBatch | None, config: GatewayConfig) -> LimitStore:
    """The store of this deployment; `batch` when it has Redis."""
    own = MemoryLimits(lease_s=config.stream_lease_s)
    if batch is None:
        return own
    shared = RedisLimits(batch, lease_s=config.stream_lease_s)
    return FallbackLimits(shared, own) if config.limits_without_redis == "allow" else shared
