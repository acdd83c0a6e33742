"""What the desks of a web process share: one feed, and one thread that reads for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from accounts.authentication import Authenticator
from chat.stop_notice import call_at_stop
from chat.web_runtime import get_runtime
from gateway.batching import BatchWorker
from modelops.desk.feed import DeskFeed


@dataclass
class DeskRuntime:
    worker: BatchWorker
    """Apart from the chats', which must not wait for a desk."""
    feed: DeskFeed
    authenticator: Authenticator


_runtime: asyncio.Future[DeskRuntime] | None = None


async def get_desk_runtime() -> DeskRuntime:
    """This process's, made on first use: most processes never have a desk open."""
    global _runtime
    if _runtime is None or (_runtime.done() and (_runtime.cancelled() or _runtime.exception())):
        _runtime = asyncio.ensure_future(_start())
    return await asyncio.shield(_runtime)


async def stop_desk_runtime() -> None:
    global _runtime
    if _runtime is not None:
        runtime, _runtime = await _runtime, None
        runtime.feed.close()
        await runtime.worker.stop()


async def _start() -> DeskRuntime:
    web = await get_runtime()
    worker = BatchWorker("desk")
    feed = DeskFeed(worker, see_external=web.board.view_external)
    web.board.subscribe(lambda _snapshot: feed.look_soon())
    # A server that stops waits for its connections, and a desk would stay for ever.
    call_at_stop(feed.close)
    return DeskRuntime(worker, feed, web.authenticator)
