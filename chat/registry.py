"""The answers that this process is generating, by message id, so that they can be stopped and saved."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from chat.generation import Generation, StoppedByUser


class Registry:
    def __init__(self) -> None:
        self._running: dict[uuid.UUID, Generation] = {}
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    @contextmanager
    def running(self, message_id: uuid.UUID | None, generation: Generation) -> Iterator[None]:
        """Registers the answer inside the context. An answer that is not stored has no id and is left out."""
        if message_id is None:
            yield
            return
        self._running[message_id] = generation
        self._is_empty.clear()
        try:
            yield
        finally:
            del self._running[message_id]
            generation.tell_of_growth()
            if not self._running:
                self._is_empty.set()

    async def emptied(self) -> None:
        """Wait until nothing is being generated."""
        await self._is_empty.wait()

    def snapshot(self) -> dict[uuid.UUID, Generation]:
        return dict(self._running)

    def find(self, message_id: uuid.UUID) -> Generation | None:
        """The answer, while it is generated here and until its row is closed."""
        return self._running.get(message_id)

    def stop(self, message_id: uuid.UUID) -> bool:
        """Stop the answer if it is generated here."""
        generation = self._running.get(message_id)
        if generation is not None:
            generation.stop(StoppedByUser())
        return generation is not None
