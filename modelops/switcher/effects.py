"""Runs slow work on threads, so that the loop keeps renewing leases and noticing signals and cancels."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

THREADS = 8
MOMENT_S = 0.02


@dataclass(frozen=True)
class EffectResult:
    """How a piece of work ended: with a value, or with an exception."""

    value: Any = None
    error: Exception | None = None


class Effects:
    """Runs each piece of work once, by its key. No work here touches the database."""

    def __init__(self) -> None:
        self.on_done: Callable[[], None] = lambda: None
        """Called from a thread when work has ended that `attempt` did not wait for."""
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="switcher")
        self._running: dict[Hashable, Future[Any]] = {}

    def attempt(self, key: Hashable, work: Callable[[], Any]) -> EffectResult | None:
        """Begin the work unless it is running already; its outcome once it has ended, None until then;
        waits for a moment only.

        The outcome is given once: asking again after that begins anew.
        """
        future = self._running.get(key)
        is_new = future is None
        if future is None:
            future = self._running[key] = self._pool.submit(work)
        # Most work takes a moment: waiting for that long spares a round of the loop.
        wait((future,), timeout=MOMENT_S)
        if not future.done():
            if is_new:
                future.add_done_callback(lambda _: self.on_done())
            return None
        del self._running[key]
        error = future.exception()
        if error is not None and not isinstance(error, Exception):
            raise error
        return EffectResult(error=error) if error is not None else EffectResult(future.result())

    def is_known(self, key: Hashable) -> bool:
        """Whether it was begun and its outcome not yet taken."""
        return key in self._running

    def is_running(self, key: Hashable) -> bool:
        """Whether it was begun and has not ended."""
        future = self._running.get(key)
        return future is not None and not future.done()

    def finish(self, timeout_s: float) -> bool:
        """Begin nothing more, and wait for what runs; False when it takes longer. Every piece is bounded in
        time."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        # What the pool has cancelled counts for `wait` as never done.
        begun = [future for future in self._running.values() if not future.cancelled()]
        return not wait(begun, timeout=timeout_s).not_done
