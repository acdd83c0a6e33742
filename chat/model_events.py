"""Publishes the rows of switch events to the subscribers of this process, as they are written.

One task reads new rows for all subscribers of a process, and only while there are any.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from gateway.batching import BatchWorker
from gateway.errors import GatewayError
from modelops.switching.events import EventQuery, SwitchEventView, find_newest_events, read_switch_events
from modelops.switching.status import StatusQuery, read_statuses

log = structlog.get_logger()

POLL_PERIOD_S = 0.2
AWAY_PERIOD_S = 1.0
QUEUE_SIZE = 1000
"""Events that a subscriber may lag behind before it is dropped: it can come back with Last-Event-ID."""
OVERLAP = 20
"""Ids are given before their transactions commit: one that commits late is found by looking back."""


class Subscription:
    """The events of one subscriber. `next` returns None at its end: it lagged or the process stops."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[SwitchEventView | None] = asyncio.Queue(QUEUE_SIZE + 1)
        self._is_over = False

    async def next(self) -> SwitchEventView | None:
        return await self._queue.get()

    def put(self, event: SwitchEventView) -> None:
        if self._queue.qsize() >= QUEUE_SIZE:
            self.end()
        if not self._is_over:
            self._queue.put_nowait(event)

    def end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._queue.put_nowait(None)


class ModelEvents:
    """Passes new events on to all subscriptions; one per web process."""

    def __init__(self, worker: BatchWorker) -> None:
        self._worker = worker
        self._subscriptions: set[Subscription] = set()
        self._starting = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._newest = 0
        self._recent: set[int] = set()
        self._is_closed = False

    @asynccontextmanager
    async def subscribed(self) -> AsyncIterator[tuple[Subscription, int]]:
        """A subscription, and the id of the newest event before it. Raises DependencyUnavailable."""
        subscription = Subscription()
        async with self._starting:
            if self._reading is None:
                self._newest = await self._worker.submit(find_newest_events, None)
                self._recent = {event.id for event in await self.read(EventQuery(self._newest - OVERLAP))}
                self._newest = max([self._newest, *self._recent])
                self._reading = asyncio.create_task(self._read_for_ever())
            self._subscriptions.add(subscription)
        if self._is_closed:
            subscription.end()
        try:
            yield subscription, self._newest
        finally:
            self._subscriptions.discard(subscription)
            if not self._subscriptions and self._reading is not None:
                self._reading.cancel()
                self._reading = None

    async def read(self, query: EventQuery) -> list[SwitchEventView]:
        """A page of events that happened before. Raises DependencyUnavailable."""
        return await self._worker.submit(read_switch_events, query)

    async def knows(self, event_id: int) -> bool:
        """Whether an event of this id, or a later one, has happened. Raises DependencyUnavailable."""
        return event_id <= self._newest or event_id <= await self._worker.submit(find_newest_events, None)

    async def describe(self, query: StatusQuery) -> dict[str, Any]:
        """The present state, with all that happened before the call. Raises DependencyUnavailable."""
        return await self._worker.submit(read_statuses, query)

    def close(self) -> None:
        """End every subscription, also those to come: the process stops."""
        self._is_closed = True
        for subscription in self._subscriptions:
            subscription.end()

    async def _read_for_ever(self) -> None:
        while True:
            period_s = AWAY_PERIOD_S
            with contextlib.suppress(GatewayError):  # the worker has logged it
                await self._read_once()
                period_s = POLL_PERIOD_S
            await asyncio.sleep(period_s)

    async def _read_once(self) -> None:
        for event in await self.read(EventQuery(self._newest - OVERLAP)):
            if event.id in self._recent:
                continue
            self._recent.add(event.id)
            self._newest = max(self._newest, event.id)
            for subscription in self._subscriptions:
                subscription.put(event)
        self._recent = {event_id for event_id in self._recent if event_id > self._newest - OVERLAP}
