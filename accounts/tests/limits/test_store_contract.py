"""What both stores promise: counts are atomic, windows and leases end, refusals cost what they should."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

from accounts.limits.rules import Decision, Rule, Rules
from accounts.limits.store import AnswerLease, LimitStore
from accounts.models import LimitKind

PATIENCE_S = 10.0
_numbers = itertools.count()


def requests(name: str, value: int, window_s: int = 60) -> Rule:
    return Rule(LimitKind.REQUESTS, f"{name}:requests:{window_s}", value, window_s)


def tokens(name: str, value: int, window_s: int = 60) -> Rule:
    return Rule(LimitKind.TOKENS, f"{name}:tokens:{window_s}", value, window_s)


def streams(name: str, value: int) -> Rule:
    return Rule(LimitKind.STREAMS, f"{name}:streams:0", value, 0)


def lease_of(*rules: Rule) -> AnswerLease:
    return AnswerLease(f"lease-{next(_numbers)}", rules)


async def acquire(store: LimitStore, *rules: Rule) -> Decision:
    return await store.acquire(lease_of(*rules))


async def is_admitted(store: LimitStore, *rules: Rule) -> bool:
    return (await acquire(store, *rules)).refused is None


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not await condition():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.01)


async def test_exactly_as_many_requests_as_allowed_get_through(store: LimitStore, name: str) -> None:
    decisions = [await acquire(store, requests(name, 3)) for _ in range(5)]

    assert [decision.refused is None for decision in decisions] == [True, True, True, False, False]
    assert [decision.counts[0].used for decision in decisions] == [1, 2, 3, 3, 3]
    assert all(0 < decision.counts[0].reset_s <= 60 for decision in decisions)


async def test_concurrent_requests_of_two_processes_share_a_limit(
    limit_stores: list[LimitStore], name: str
) -> None:
    rules = (requests(name, 40), streams(name, 1000))

    admitted = await asyncio.gather(*(is_admitted(limit_stores[n % 2], *rules) for n in range(200)))

    assert sum(admitted) == 40


async def test_window_begins_anew_when_it_is_over(store: LimitStore, name: str) -> None:
    rule = requests(name, 1, window_s=1)
    assert await is_admitted(store, rule)
    assert not await is_admitted(store, rule)

    await eventually(lambda: is_admitted(store, rule))

    decision = await acquire(store, rule)
    assert decision.counts[0].used == 1
    assert decision.refused == decision.counts[0]


async def test_each_key_is_counted_by_itself(store: LimitStore, name: str) -> None:
    assert await is_admitted(store, requests(name, 1))
    assert await is_admitted(store, requests(f"{name}:other", 1))


async def test_what_one_rule_refuses_is_counted_under_no_other(store: LimitStore, name: str) -> None:
    wide, narrow = requests(name, 10), requests(f"{name}:key", 1)
    await acquire(store, wide, narrow)

    refused = await acquire(store, wide, narrow)
    next_one = await acquire(store, wide)

    assert refused.refused is not None
    assert refused.refused.rule == narrow
    assert next_one.counts[0].used == 2


async def test_tokens_count_when_the_answer_is_over(store: LimitStore, name: str) -> None:
    rule = tokens(name, 100)
    first = lease_of(rule)
    assert (await store.acquire(first)).counts[0].used == 0

    await store.end(first, 60)
    half = await acquire(store, rule)
    await store.end(lease_of(rule), 60)
    full = await acquire(store, rule)

    assert (half.counts[0].used, half.counts[0].remaining) == (60, 40)
    assert half.refused is None
    assert full.refused is not None
    assert (full.counts[0].used, full.counts[0].remaining) == (120, 0)
    assert 0 < full.counts[0].reset_s <= 60


async def test_tokens_are_free_again_in_the_next_window(store: LimitStore, name: str) -> None:
    rule = tokens(name, 10, window_s=1)
    await store.end(lease_of(rule), 10)
    assert not await is_admitted(store, rule)

    await eventually(lambda: is_admitted(store, rule))


async def test_request_refused_for_its_tokens_is_a_request_all_the_same(store: LimitStore, name: str) -> None:
    rules = (requests(name, 10), tokens(name, 5), streams(name, 1))
    await store.end(lease_of(*rules), 5)

    refused = await acquire(store, *rules)

    assert refused.refused is not None
    assert refused.refused.rule.kind is LimitKind.TOKENS
    assert [count.used for count in refused.counts] == [1, 5, 0]


async def test_no_more_answers_at_a_time_than_allowed(limit_stores: list[LimitStore], name: str) -> None:
    rule = streams(name, 2)
    leases = [lease_of(rule) for _ in range(3)]

    decisions = [await limit_stores[n % 2].acquire(lease) for n, lease in enumerate(leases)]
    await limit_stores[1].end(leases[0], 0)

    assert [decision.refused is None for decision in decisions] == [True, True, False]
    assert await is_admitted(limit_stores[0], rule)
    assert not await is_admitted(limit_stores[1], rule)


async def test_end_is_under_way_before_it_is_awaited(store: LimitStore, name: str) -> None:
    """A client that asks again at once finds its own last answer gone."""
    rule = streams(name, 1)
    lease = lease_of(rule)
    for _ in range(20):
        assert (await store.acquire(lease)).refused is None
        ended = store.end(lease, 0)
        lease = lease_of(rule)
    await ended


async def test_ending_what_was_refused_frees_nobody_elses_place(store: LimitStore, name: str) -> None:
    rule = streams(name, 1)
    refused = lease_of(rule)
    assert await is_admitted(store, rule)
    assert (await store.acquire(refused)).refused is not None

    await store.end(refused, 0)

    assert not await is_admitted(store, rule)


async def test_lease_that_nobody_renews_ends_by_itself(store: LimitStore, name: str) -> None:
    """What a crashed process leaves behind."""
    rule = streams(name, 1)
    assert await is_admitted(store, rule)
    assert not await is_admitted(store, rule)

    await eventually(lambda: is_admitted(store, rule))


async def test_renewed_lease_outlives_its_time(store: LimitStore, name: str) -> None:
    kept, left = (lease_of(streams(f"{name}:{which}", 1)) for which in ("kept", "left"))
    for lease in (kept, left):
        await store.acquire(lease)

    async def left_has_ended() -> bool:
        await store.renew([kept])
        return await is_admitted(store, *left.rules)

    await eventually(left_has_ended)

    assert not await is_admitted(store, *kept.rules)


async def test_lease_of_a_crash_ends_although_its_neighbours_are_renewed(
    store: LimitStore, name: str
) -> None:
    """Two web processes generate for one account, and one of them dies."""
    rule = streams(name, 2)
    kept, left = lease_of(rule), lease_of(rule)
    for lease in (kept, left):
        await store.acquire(lease)

    async def left_has_ended() -> bool:
        await store.renew([kept])
        return await is_admitted(store, rule)

    await eventually(left_has_ended)

    await store.renew([kept])
    assert not await is_admitted(store, rule._replace(value=1))


async def test_renewal_brings_back_what_a_store_forgot(store: LimitStore, name: str) -> None:
    """Redis restarted: the answers that are still being generated count again."""
    leases = [lease_of(streams(name, 300)) for _ in range(300)]

    await store.renew(leases)

    assert not await is_admitted(store, *leases[0].rules)


async def test_changed_number_counts_what_is_used_already(store: LimitStore, name: str) -> None:
    for _ in range(3):
        assert await is_admitted(store, requests(name, 3))

    assert not await is_admitted(store, requests(name, 2))
    assert (await acquire(store, requests(name, 5))).counts[0].used == 4


async def test_no_rules_refuse_nothing(store: LimitStore) -> None:
    none: Rules = ()

    assert await store.acquire(AnswerLease("x", none)) == Decision(())
    await store.end(AnswerLease("x", none), 5)
    await store.renew([AnswerLease("x", none)])
