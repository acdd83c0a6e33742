"""What the tests of the chat plane's authenticator share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from django.db import connections

from accounts.last_used import record_last_used
from gateway.batching import BatchWorker


class CountingWorker(BatchWorker):
    """A batch worker that counts what it is asked to read."""

    reads = 0

    async def submit(self, handler: Any, item: Any) -> Any:
        self.reads += handler is not record_last_used
        return await super().submit(handler, item)


async def in_thread(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`work` in a thread that leaves no connection behind, like a request on the pages plane."""

    def call() -> Any:
        try:
            return work(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.to_thread(call)
