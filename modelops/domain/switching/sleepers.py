"""Which sleeping engines make room where host memory is short: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HOST_MARGIN = 1.2
"""Pinned copies and page tables come on top of the weights."""


@dataclass(frozen=True)
class SleepingEngine:
    """An engine whose weights are in host memory. It serves nobody."""

    name: str
    size_bytes: int | None
    """Of its weights; None where that is not known."""
    used_at: float
    """When it had a request last, or served last, in seconds since 1970."""


@dataclass(frozen=True)
class HostMemory:
    """What a machine has. `available_bytes` is MemAvailable; None where it could not be read."""

    available_bytes: int | None
    reserve_bytes: int = 0
    """Kept free by sleeping engines."""

    @property
    def free_bytes(self) -> int | None:
        """What sleeping engines may still take; negative where they have taken too much."""
        return None if self.available_bytes is None else self.available_bytes - self.reserve_bytes


def need_bytes(size_bytes: int) -> int:
    """The host memory that an engine with weights of this size takes while it sleeps."""
    return int(size_bytes * HOST_MARGIN)


def choose_to_end(
    sleepers: Sequence[SleepingEngine], memory: HostMemory, *, needed_bytes: int = 0, keep: str = ""
) -> tuple[str, ...] | None:
    """The names of those that go, the least recently used first, until `needed_bytes` are free.

    Empty where there is room as it is. None where there is not even without all of them, or nothing is known
    of the memory: then nothing goes. `keep` is the one that is to be woken next. Of one with an unknown size
    nothing is counted on, so it goes only where those after it are needed as well.
    """
    if memory.free_bytes is None:
        return None
    missing = needed_bytes - memory.free_bytes
    ended: list[str] = []
    for each in sorted(sleepers, key=lambda each: (each.used_at, each.name)):
        if missing <= 0:
            break
        if each.name != keep:
            ended.append(each.name)
            missing -= each.size_bytes or 0
    return tuple(ended) if missing <= 0 else None
