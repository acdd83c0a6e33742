"""Passes the desk on to everybody who follows it: one reader a process, however many desks are open.

A follower has no queue: it is given the newest snapshot's parts that it has not got yet, so that a slow one
misses steps in between and never piles anything up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from gateway.batching import BatchWorker
from gateway.errors import DependencyUnavailable
from modelops.desk.reading import read_desk
from modelops.desk.snapshot import TROUBLE, DeskSnapshot, Known, write_message
from modelops.serving.external_engine import ExternalView

log = structlog.get_logger()

SETTLED_PERIOD_S = 1.8
"""Below the time after which an idle worker gives its connection back: connecting costs more than reading."""
LIVE_PERIOD_S = 0.5
"""How often while a switch is under way."""
SHORTEST_PERIOD_S = 0.2
"""However often something changes."""


class DeskFollower:
    """One open desk. `next` never gives the same part twice unless it has changed."""

    def __init__(self, feed: DeskFeed, language: str) -> None:
        self._feed = feed
        self._language = language
        self._known: Known = {}
        self._has_heard_of_trouble = False
        self._is_over = False
        self._news = asyncio.Event()
        self._news.set()

    async def next(self) -> bytes | None:
        """The next message, when there is news; None at the end, as when the process stops."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._is_over:
                return None
            if (message := self._take()) is not None:
                return message

    def tell(self) -> None:
        self._news.set()

    def end(self) -> None:
        self._is_over = True
        self._news.set()

    def _take(self) -> bytes | None:
        if self._feed.is_in_trouble:
            is_news, self._has_heard_of_trouble = not self._has_heard_of_trouble, True
            return TROUBLE if is_news else None
        if self._feed.snapshot is None:
            return None
        if self._has_heard_of_trouble:
            # Everything anew, so that the desk knows that what it shows is the present.
            self._known, self._has_heard_of_trouble = {}, False
        parts = self._feed.snapshot.select(self._language)
        message = write_message(parts, self._known)
        self._known = parts
        return message


class DeskFeed:
    """Reads while somebody follows. `see_external` is the engine of VLLM_BASE_URL as it was probed last."""

    def __init__(self, worker: BatchWorker, *, see_external: Callable[[], ExternalView | None]) -> None:
        self._worker = worker
        self._see_external = see_external
        self._followers: set[DeskFollower] = set()
        self._reading: asyncio.Task[None] | None = None
        self._is_stale = asyncio.Event()
        self._is_closed = False
        self.snapshot: DeskSnapshot | None = None
        self.is_in_trouble = False
        """The last reading failed, as without a database: what was read before may be old."""

    @property
    def follower_count(self) -> int:
        return len(self._followers)

    @asynccontextmanager
    async def following(self, language: str) -> AsyncIterator[DeskFollower]:
        follower = DeskFollower(self, language)
        self._followers.add(follower)
        if self._is_closed:
            follower.end()
        elif self._reading is None:
            # What an earlier reader saw is not the present any more.
            self.snapshot, self.is_in_trouble = None, False
            self._reading = asyncio.create_task(self._read_for_ever(), name="read-desk")
        try:
            yield follower
        finally:
            self._followers.discard(follower)
            if not self._followers and self._reading is not None:
                self._reading.cancel()
                self._reading = None

    def look_soon(self) -> None:
        """Something has changed. Does nothing while nobody follows."""
        self._is_stale.set()

    def close(self) -> None:
        """End every follower, also those to come: the process stops."""
        self._is_closed = True
        for follower in self._followers:
            follower.end()

    async def _read_for_ever(self) -> None:
        while True:
            self._is_stale.clear()
            await self._read_once()
            await asyncio.sleep(SHORTEST_PERIOD_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._find_period() - SHORTEST_PERIOD_S):
                    await self._is_stale.wait()

    async def _read_once(self) -> None:
        try:
            snapshot = await self._worker.submit(read_desk, self._see_external())
        except Exception as exc:
            if not isinstance(exc, DependencyUnavailable):  # which the worker has logged
                log.exception("desk_not_read")
            has_news = not self.is_in_trouble
            self.is_in_trouble = True
        else:
            has_news = self.is_in_trouble or snapshot != self.snapshot
            self.snapshot, self.is_in_trouble = snapshot, False
        if has_news:
            for follower in self._followers:
                follower.tell()

    def _find_period(self) -> float:
        is_settled = self.snapshot is None or self.snapshot.is_settled
        return SETTLED_PERIOD_S if is_settled else LIVE_PERIOD_S
