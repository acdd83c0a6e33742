"""Who goes where host memory is short: the least recently used, and no more than it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.domain.switching.sleepers import HostMemory, SleepingEngine, choose_to_end

GIB = 2**30
OLD, NEW, HUGE = (
    SleepingEngine("old", 10 * GIB, 1.0),
    SleepingEngine("new", 10 * GIB, 3.0),
    SleepingEngine("huge", 40 * GIB, 2.0),
)
UNKNOWN = SleepingEngine("unknown", None, 0.0)


@pytest.mark.parametrize(
    ("sleepers", "free_gib", "needed_gib", "keep", "ended"),
    [
        ((OLD, NEW), 20, 20, "", ()),
        ((NEW, OLD), 15, 20, "", ("old",)),
        ((NEW, OLD, HUGE), 5, 30, "", ("old", "huge")),
        ((NEW, OLD), 15, 20, "old", ("new",)),
        ((NEW, OLD), 0, 30, "", None),
        ((NEW, OLD), -5, 0, "", ("old",)),
        ((UNKNOWN, OLD), 15, 20, "", ("unknown", "old")),
        ((UNKNOWN,), 15, 20, "", None),
        ((OLD,), None, 0, "", None),
    ],
)
def test_the_least_recently_used_go_first(
    sleepers: tuple[SleepingEngine, ...],
    free_gib: int | None,
    needed_gib: int,
    keep: str,
    ended: tuple[str, ...] | None,
) -> None:
    memory = HostMemory(None if free_gib is None else (free_gib + 4) * GIB, reserve_bytes=4 * GIB)

    assert choose_to_end(sleepers, memory, needed_bytes=needed_gib * GIB, keep=keep) == ended


engines = st.builds(
    SleepingEngine,
    st.uuids().map(str),
    st.none() | st.integers(0, 80 * GIB),
    st.floats(0, 1e9),
)


@given(st.lists(engines, max_size=6), st.integers(-50 * GIB, 200 * GIB), st.integers(0, 100 * GIB))
def test_what_goes_is_enough_and_without_the_last_of_it_would_not_be(
    sleepers: list[SleepingEngine], free_bytes: int, needed_bytes: int
) -> None:
    ended = choose_to_end(sleepers, HostMemory(free_bytes), needed_bytes=needed_bytes)

    sizes = {each.name: each.size_bytes or 0 for each in sleepers}
    if ended is None:
        assert free_bytes + sum(sizes.values()) < needed_bytes
        return
    assert free_bytes + sum(sizes[name] for name in ended) >= needed_bytes or not ended
    if ended:
        assert free_bytes + sum(sizes[name] for name in ended[:-1]) < needed_bytes
