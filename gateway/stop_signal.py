"""Waits that SIGTERM, SIGINT and other threads end at once, for loops of commands."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Iterator
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """Whether one came. The handler writes to a pipe: waiting for a lock in a handler can wait for ever."""

    def __init__(self, read_end: int, write_end: int) -> None:
        self._read_end = read_end
        self._write_end = write_end
        self._closing = threading.Lock()
        self._is_closed = False
        self.is_set = False

    def wait(self, timeout_s: float) -> bool:
        """Wait for a signal or for `wake`, at most `timeout_s`. True when a signal came, now or before."""
        if not self.is_set and select.select([self._read_end], [], [], timeout_s)[0]:
            os.read(self._read_end, select.PIPE_BUF)
        return self.is_set

    def wake(self) -> None:
        """End the wait that goes on, or else the next one. From any thread, at any time."""
        with self._closing, contextlib.suppress(BlockingIOError):
            if not self._is_closed:
                os.write(self._write_end, b"\0")

    def close(self) -> None:
        with self._closing:
            self._is_closed = True
            os.close(self._read_end)
            os.close(self._write_end)

    def notice(self, _number: int, _frame: FrameType | None) -> None:
        self.is_set = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._write_end, b"\0")


@contextlib.contextmanager
def catch_stop_signal() -> Iterator[StopSignal]:
    """Take SIGTERM and SIGINT over for the length of the block. Main thread only."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    stop = StopSignal(read_end, write_end)
    before = {number: signal.signal(number, stop.notice) for number in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.close()
