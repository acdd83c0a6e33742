"""Admits requests within their limits, and counts what they used when they are over."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable

import structlog

from accounts.client_address import address_bucket
from accounts.limits.retry_times import RetryTimes
from accounts.limits.rows import Mark, default_allowances, load_limits
from accounts.limits.rules import (
    Allowance,
    Caller,
    Count,
    LimitBook,
    Rule,
    Rules,
    address_rule,
    rate_headers,
    refusal_of,
)
from accounts.limits.store import AnswerLease, LimitStore
from accounts.models import LimitKind
from accounts.usage.log import UsageLog
from accounts.usage.spent import NOTHING, Spent
from gateway.batching import BatchWorker

log = structlog.get_logger()


READ_ALL_EVERY_S = 60.0


class Admission:
    """A request that was admitted. It holds its lease until `end`, whatever happens to it."""

    __slots__ = ("_caller", "_has_ended", "_limiter", "headers", "lease")

    def __init__(
        self, limiter: Limiter, caller: Caller | None, lease: AnswerLease, headers: dict[str, str]
    ) -> None:
        self._limiter = limiter
        self._caller = caller
        self._has_ended = False
        self.lease = lease
        self.headers = headers
        """OpenAI's rate headers, for the answer, also when it is an error."""

    def end(self, spent: Spent = NOTHING) -> None:
        """The request is over and used `spent`. Idempotent: the first call counts. Does not block."""
        if not self._has_ended:
            self._has_ended = True
            self._limiter.ended(self, self._caller, spent)


class Limiter:
    """Admits requests under the limits in its book; one per web process."""

    def __init__(self, store: LimitStore, usage: UsageLog, book: LimitBook | None = None) -> None:
        self.book = book or LimitBook((), default_allowances())
        """Replaced as a whole when limits change."""
        self._store = store
        self._usage = usage
        self._mark: Mark | None = None
        self._read_at = -READ_ALL_EVERY_S
        self._ids = map(f"{secrets.token_hex(8)}-{{}}".format, itertools.count())
        self._held: dict[str, AnswerLease] = {}
        self._retry_times = RetryTimes()
        self._settling: set[asyncio.Future[None]] = set()

    async def admit_generation(self, caller: Caller) -> Admission:
        """Admit a request that an engine will answer, under the limits of its caller.

        The caller of this method has to end the admission. Raises RateLimitExceeded, InsufficientQuota,
        ConcurrencyLimitExceeded or DependencyUnavailable.
        """
        lease, counts = await self._acquire(self.book.rules_for(caller), self._retry_times.next_wait)
        self._retry_times.note_start(lease)
        return Admission(self, caller, lease, rate_headers(counts))

    async def admit_call(self, rules: Rules) -> Admission:
        """Admit a request that no engine answers, under `rules`: without usage and without rate headers."""
        lease, _counts = await self._acquire(rules)
        return Admission(self, None, lease, {})

    async def _acquire(
        self, rules: Rules, find_wait: Callable[[Rule], float] | None = None
    ) -> tuple[AnswerLease, tuple[Count, ...]]:
        lease = AnswerLease(next(self._ids), rules)
        if not rules:
            return lease, ()
        try:
            decision = await self._store.acquire(lease)
        except asyncio.CancelledError:
            self._settle(lease, 0)  # the store may have admitted it all the same
            raise
        if (refusal := refusal_of(decision, find_wait)) is not None:
            raise refusal
        if lease.rules[-1].kind is LimitKind.STREAMS:
            self._held[lease.id] = lease
        return lease, decision.counts

    async def admit_unauthenticated(self, address: str | None, default: Allowance) -> None:
        """Count a request without a good credential against its address. Raises RateLimitExceeded."""
        allowance = self.book.address_allowance(address, default)
        if allowance is not None:
            lease = AnswerLease("", (address_rule(address_bucket(address), allowance),))
            if (refusal := refusal_of(await self._store.acquire(lease))) is not None:
                raise refusal

    def ended(self, admission: Admission, caller: Caller | None, spent: Spent) -> None:
        """Release the lease and count what was used. Called by `Admission.end`, once."""
        self._held.pop(admission.lease.id, None)
        if caller is not None:
            self._retry_times.note_end(admission.lease)
            self._usage.note(caller.user_id, caller.key_id, spent)
        self._settle(admission.lease, spent.tokens)

    def _settle(self, lease: AnswerLease, tokens: int) -> None:
        rules = lease.rules
        holds_a_place = bool(rules) and rules[-1].kind is LimitKind.STREAMS
        if not holds_a_place and not (tokens and any(rule.kind is LimitKind.TOKENS for rule in rules)):
            return
        future = self._store.end(lease, tokens)
        self._settling.add(future)
        future.add_done_callback(self._settled)

    def _settled(self, future: asyncio.Future[None]) -> None:
        self._settling.discard(future)
        if not future.cancelled() and (exc := future.exception()) is not None:
            # The lease ends by itself; tokens that nobody counted are lost.
            log.warning("limit_not_settled", error=type(exc).__name__)

    async def refresh(self, worker: BatchWorker) -> None:
        """Load limits that administrators changed; to be called every few seconds.

        Raises DependencyUnavailable, and keeps the limits that it has.
        """
        now = time.monotonic()
        # From the beginning now and then: a change on a machine whose clock is late may leave no mark.
        known = self._mark if now < self._read_at + READ_ALL_EVERY_S else None
        loaded = await worker.submit(load_limits, known)
        if loaded.rows is not None:
            self.book = LimitBook(loaded.rows, default_allowances(), loaded.groups)
            self._mark, self._read_at = loaded.mark, now

    async def renew_leases(self) -> None:
        """Renew the leases of running answers; to be called well within the life of a lease."""
        if self._held:
            await self._store.renew(list(self._held.values()))

    async def settled(self) -> None:
        """Wait until what ended requests used is counted."""
        while self._settling:
            await asyncio.wait(set(self._settling))
