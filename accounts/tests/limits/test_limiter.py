"""The limiter: from a caller to an admission, and what its end settles."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from django.db import connections

from accounts.change_origin import SYSTEM
from accounts.limits.limiter import Admission, Limiter
from accounts.limits.rows import default_allowances, load_limits, save_limit
from accounts.limits.rules import Allowance, Decision, LimitBook
from accounts.limits.store import AnswerLease, MemoryLimits
from accounts.models import Limit, LimitKind, LimitSubject, Role, User
from accounts.usage.log import UsageLog
from accounts.usage.spent import Spent
from gateway.batching import BatchWorker
from gateway.errors import ConcurrencyLimitExceeded, InsufficientQuota, RateLimitExceeded

Result = TypeVar("Result")


@dataclass(frozen=True)
class Caller:
    user_id: uuid.UUID = field(default_factory=uuid.uuid4)
    role: Role = Role.USER
    key_id: uuid.UUID | None = None


class HesitantStore(MemoryLimits):
    """Admits, and only then lets its caller know."""

    def __init__(self) -> None:
        super().__init__(lease_s=60)
        self.has_admitted = asyncio.Event()

    async def acquire(self, lease: AnswerLease) -> Decision:
        decision = await super().acquire(lease)
        self.has_admitted.set()
        await asyncio.Event().wait()
        return decision


def book(*, requests: int = 100, tokens: int = 100, streams: int = 1) -> LimitBook:
    return LimitBook(
        (),
        {
            LimitKind.REQUESTS: Allowance(requests, 60),
            LimitKind.TOKENS: Allowance(tokens, 60),
            LimitKind.STREAMS: Allowance(streams, 0),
        },
    )


@pytest.fixture
def usage() -> UsageLog:
    return UsageLog()


@pytest.fixture
def limiter(usage: UsageLog) -> Limiter:
    return Limiter(MemoryLimits(lease_s=60), usage, book())


@pytest.fixture
async def worker(transactional_db: None) -> AsyncIterator[BatchWorker]:
    worker = BatchWorker()
    yield worker
    await worker.stop()


@pytest.fixture
def mina(transactional_db: None) -> User:
    return User.objects.create(username="mina")


async def test_admission_carries_the_headers_of_its_answer(limiter: Limiter) -> None:
    admission = await limiter.admit_generation(Caller())

    assert admission.headers == {
        "x-ratelimit-limit-requests": "100",
        "x-ratelimit-remaining-requests": "99",
        "x-ratelimit-reset-requests": "1m0s",
        "x-ratelimit-limit-tokens": "100",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "0s",
    }


async def test_place_is_taken_until_the_admission_ends(limiter: Limiter) -> None:
    caller = Caller()
    first = await limiter.admit_generation(caller)

    with pytest.raises(ConcurrencyLimitExceeded):
        await limiter.admit_generation(caller)
    await limiter.admit_generation(Caller())
    first.end()

    await limiter.admit_generation(caller)


async def test_only_the_first_end_counts(limiter: Limiter) -> None:
    caller = Caller()
    admission = await limiter.admit_generation(caller)
    admission.end(Spent(10, 20))
    next_one = await limiter.admit_generation(caller)

    admission.end(Spent(10, 20))

    assert next_one.headers["x-ratelimit-remaining-tokens"] == "70"
    with pytest.raises(ConcurrencyLimitExceeded):
        await limiter.admit_generation(caller)


async def test_tokens_that_are_used_up_are_an_insufficient_quota(limiter: Limiter) -> None:
    caller = Caller()
    (await limiter.admit_generation(caller)).end(Spent(60, 60))

    with pytest.raises(InsufficientQuota) as caught:
        await limiter.admit_generation(caller)

    assert caught.value.headers["x-ratelimit-remaining-tokens"] == "0"
    assert caught.value.headers["x-ratelimit-remaining-requests"] == "98"


async def test_request_that_is_cancelled_on_its_way_in_leaves_no_place_taken(usage: UsageLog) -> None:
    store, caller = HesitantStore(), Caller()
    limiter = Limiter(store, usage, book())
    asking = asyncio.create_task(limiter.admit_generation(caller))
    await store.has_admitted.wait()

    asking.cancel()
    await asyncio.wait([asking])

    lease = AnswerLease("other", limiter.book.rules_for(caller))
    assert (await MemoryLimits.acquire(store, lease)).refused is None


async def test_answers_in_hand_are_renewed_and_others_are_not(usage: UsageLog) -> None:
    renewed: list[str] = []

    class Store(MemoryLimits):
        async def renew(self, leases: Sequence[AnswerLease]) -> None:
            renewed.extend(lease.id for lease in leases)

    limiter = Limiter(Store(lease_s=60), usage, book())
    running, over = await limiter.admit_generation(Caller()), await limiter.admit_generation(Caller())
    over.end()

    await limiter.renew_leases()

    assert renewed == [running.lease.id]


async def test_without_limits_everything_is_let_in(usage: UsageLog) -> None:
    limiter = Limiter(MemoryLimits(lease_s=60), usage, LimitBook((), {}))

    admissions: list[Admission] = [await limiter.admit_generation(Caller()) for _ in range(3)]

    assert [admission.headers for admission in admissions] == [{}] * 3
    for admission in admissions:
        admission.end(Spent(1, 1))
    await limiter.settled()


async def test_ipv6_clients_are_counted_by_their_network(limiter: Limiter) -> None:
    allowance = Allowance(2, 60)
    for host in ("1", "2"):
        await limiter.admit_unauthenticated(f"2001:db8::{host}", allowance)

    with pytest.raises(RateLimitExceeded):
        await limiter.admit_unauthenticated("2001:db8::3", allowance)
    await limiter.admit_unauthenticated("2001:db8:0:1::1", allowance)
    await limiter.admit_unauthenticated(None, allowance)


async def test_limit_that_an_administrator_changes_applies_after_a_refresh(
    limiter: Limiter, worker: BatchWorker, mina: User
) -> None:
    caller = Caller(user_id=mina.pk)
    await limiter.refresh(worker)
    before = limiter.book

    await limiter.refresh(worker)
    assert limiter.book is before
    limit = Limit(kind="requests", subject="user", user=mina, value=7, window_s=30)
    await asyncio.to_thread(in_thread, lambda: save_limit(limit=limit, origin=SYSTEM))
    await limiter.refresh(worker)

    assert (await limiter.admit_generation(caller)).headers["x-ratelimit-limit-requests"] == "7"
    await asyncio.to_thread(in_thread, limit.delete)
    await limiter.refresh(worker)
    default = default_allowances()[LimitKind.REQUESTS]
    assert (await limiter.admit_generation(caller)).headers["x-ratelimit-limit-requests"] == str(
        default.value
    )


def in_thread(work: Callable[[], Result]) -> Result:
    try:
        return work()
    finally:
        connections.close_all()


def test_nothing_is_read_again_while_nothing_changes(mina: User) -> None:
    Limit.objects.create(kind="streams", subject="default", value=3)

    (first,) = load_limits([None])
    again, other = load_limits([first.mark, None])

    assert first.rows is not None
    assert (first.rows[0].subject, first.rows[0].allowance) == (LimitSubject.DEFAULT, Allowance(3, 0))
    assert again.rows is None
    assert other.rows == first.rows
