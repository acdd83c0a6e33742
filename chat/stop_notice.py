"""Calls back when this process is told to stop, before its server waits for connections to end."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType


def call_at_stop(callback: Callable[[], None]) -> None:
    """Call `callback` on this loop at SIGTERM or SIGINT, before the server's own handler.

    ASGI reports a stop only when all connections have ended (lifespan.shutdown). Does nothing where no server
    handles the signals, and outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        previous = signal.getsignal(number)
        if callable(previous) and previous is not signal.default_int_handler:
            signal.signal(number, _calling_first(loop, callback, previous))


def _calling_first(
    loop: asyncio.AbstractEventLoop,
    callback: Callable[[], None],
    handler: Callable[[int, FrameType | None], object],
) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(callback)
        handler(number, frame)

    return handle
