"""Asks the switcher for slots that rest while requests of this process wait for them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from gateway.batching import BatchWorker
from modelops.switching.waking import ask_to_wake


class WakeRequests:
    """Collects what `EngineAdmission` asks for, and writes it down beside the requests."""

    def __init__(self, worker: BatchWorker, *, on_asked: Callable[[], None]) -> None:
        self._worker = worker
        self._on_asked = on_asked
        """Called when the database has it: the board is to be read."""
        self._wanted: set[uuid.UUID] = set()
        self._has_news = asyncio.Event()

    def ask(self, slot_id: uuid.UUID) -> None:
        """Have the slot woken soon."""
        self._wanted.add(slot_id)
        self._has_news.set()

    async def keep(self) -> None:
        """Write for ever. Raises DependencyUnavailable; what was asked for is then still wanted."""
        while True:
            for slot_id in set(self._wanted):
                await self._worker.submit(ask_to_wake, slot_id)
                self._wanted.discard(slot_id)
                self._on_asked()
            self._has_news.clear()
            if not self._wanted:
                await self._has_news.wait()
