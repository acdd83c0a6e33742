"""What is particular to counting in this process's memory."""

from __future__ import annotations

from accounts.limits.store import MemoryLimits
from accounts.tests.limits.test_store_contract import acquire, requests


async def test_window_is_not_longer_than_it_is_where_the_clock_has_odd_fractions() -> None:
    now = 511.7
    assert (now + 60) - now > 60

    decision = await acquire(MemoryLimits(lease_s=1, clock=lambda: now), requests("odd", 1))

    assert decision.counts[0].reset_s == 60
