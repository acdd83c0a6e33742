"""Threads that do blocking database work for the event loop, in batches.

Whatever arrives while a batch runs is the next batch, so one round trip to the database serves many
requests under load and a lone request waits for nobody. Each submitter waits for its own result: a
write is confirmed before anything built on it is acknowledged.

One thread does the work, with one connection. When a batch takes so long that its query must be stuck,
another thread takes over for what is waiting; no submitter waits longer than the worker's time-out.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection, connections

from gateway import metrics
from gateway.database.failures import explain_failure, is_timeout
from gateway.errors import DependencyUnavailable, ShuttingDown

log = structlog.get_logger()

Item = TypeVar("Item")
Result = TypeVar("Result")

# A handler takes the batch's items and answers one result each, in order. A result that is an
# exception is raised to that item's submitter alone.
Handler = Callable[[Sequence[Item]], Sequence[Result | Exception]]
Job = tuple[Handler[Any, Any], Any, "asyncio.Future[Any]", float]
"""With the time at which it was submitted, in `time.perf_counter` seconds."""

MAX_BATCH = 256
IDLE_CLOSE_S = 2.0
STUCK_AFTER_S = 1.0
"""A batch that takes longer does not hold what is waiting behind it."""
MAX_THREADS = 4
"""So many batches may be stuck at a time: each holds a connection."""
WAIT_TIMEOUT_S = 10.0


class BatchWorker:
    """Runs handlers on a thread of its own, with one database connection at most and none when idle.

    `timeout_s` bounds the wait of each submitter. While a batch is stuck there are more threads, MAX_THREADS
    at most, so that handlers may run at the same time.
    """

    def __init__(self, name: str = "batch-worker", *, timeout_s: float = WAIT_TIMEOUT_S) -> None:
        self._name = name
        self.timeout_s = timeout_s
        self._is_stopped = False
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._ready: deque[tuple[Handler[Any, Any], list[Job]]] = deque()
        """The batches that come next, which a thread that takes over finds."""
        self._threads: list[threading.Thread] = []
        self._busy_since: float | None = None
        """When the newest thread began the batch that it runs; None while it waits."""
        self._start_thread()

    async def submit(self, handler: Handler[Item, Result], item: Item) -> Result:
        """`handler`'s result for `item`. Raises DependencyUnavailable when the database fails.

        Raises it, too, when the result does not come in time: an item that waits by then is never handled,
        and whether one that is being handled takes effect is open. Raises ShuttingDown once it is stopped.
        """
        if self._is_stopped:
            raise ShuttingDown
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._jobs.put((handler, item, future, time.perf_counter()))
        # One timer for both: at first a stuck batch is looked for, and later time has run out.
        timer = loop.call_later(min(STUCK_AFTER_S, self.timeout_s), self._look_after, future, loop.time())
        try:
            return await future
        finally:
            timer.cancel()

    async def stop(self) -> None:
        """Finish the submitted items, then end the thread."""
        self._is_stopped = True
        loop = asyncio.get_running_loop()
        threads = list(self._threads)
        for _thread in threads:
            self._jobs.put(None)
        for thread in threads:
            await loop.run_in_executor(None, thread.join)

    def _look_after(self, future: asyncio.Future[Any], submitted_at: float) -> None:
        """Let another thread take over from one that is stuck, and end a wait that took too long."""
        if future.done():
            return
        loop = future.get_loop()
        left_s = submitted_at + self.timeout_s - loop.time()
        if left_s <= 0:
            log.error("database_failed", error="TimeoutError", detail=f"no answer in {self.timeout_s:g} s")
            future.set_exception(DependencyUnavailable("The database does not answer."))
            return
        self._relieve()
        loop.call_later(min(left_s, STUCK_AFTER_S), self._look_after, future, submitted_at)

    def _relieve(self) -> None:
        """Start another thread, if something waits behind a stuck one. The stuck one ends with its batch."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        is_stuck = self._busy_since is not None and time.monotonic() > self._busy_since + STUCK_AFTER_S
        has_work = bool(self._ready) or not self._jobs.empty()
        if is_stuck and has_work and not self._is_stopped and len(self._threads) < MAX_THREADS:
            self._start_thread()

    def _start_thread(self) -> None:
        self._busy_since = None
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        is_stopping = False
        self._run_ready()
        while not is_stopping and self._is_newest():
            jobs, is_stopping = self._next_jobs()
            self._ready.extend(_grouped(jobs).items())
            self._run_ready()
        connections.close_all()

    def _run_ready(self) -> None:
        """Run what is ready, beside another thread that took over meanwhile."""
        with contextlib.suppress(IndexError):
            while True:
                handler, jobs = self._ready.popleft()
                if self._is_newest():
                    self._busy_since = time.monotonic()
                waiting = [job for job in jobs if not _has_given_up(job)]
                if waiting:
                    began_at = time.perf_counter()
                    metrics.DATABASE_WAIT.observe(began_at - waiting[0][3])
                    _run_batch(handler, waiting)
                    metrics.DATABASE_LATENCY.observe(time.perf_counter() - began_at)
                if self._is_newest():
                    self._busy_since = None

    def _is_newest(self) -> bool:
        return self._threads[-1] is threading.current_thread()

    def _next_jobs(self) -> tuple[list[Job], bool]:
        """What has arrived, waiting for the first; closes the idle connection meanwhile."""
        try:
            job = self._jobs.get(timeout=IDLE_CLOSE_S)
        except queue.Empty:
            connections.close_all()
            job = self._jobs.get()
        jobs: list[Job] = []
        while job is not None:
            jobs.append(job)
            if len(jobs) >= MAX_BATCH:
                return jobs, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True


def _has_given_up(job: Job) -> bool:
    """True when the submitter was told that the database does not answer, which a cancelled one was not."""
    future = job[2]
    return future.done() and not future.cancelled()


def _grouped(jobs: Sequence[Job]) -> dict[Handler[Any, Any], list[Job]]:
    groups: dict[Handler[Any, Any], list[Job]] = {}
    for job in jobs:
        groups.setdefault(job[0], []).append(job)
    return groups


def _run_batch(handler: Handler[Any, Any], jobs: Sequence[Job]) -> None:
    items = [item for _handler, item, _future, _at in jobs]
    results: Sequence[Any]
    try:
        results = _call_with_live_connection(handler, items)
    except (OperationalError, InterfaceError) as exc:
        log.error("database_failed", error=type(exc).__name__, detail=str(exc))
        results = [explain_failure(exc)] * len(jobs)
    except Exception as exc:
        if len(jobs) > 1:
            # One bad item must not fail its neighbours: each gets its own try.
            for job in jobs:
                _run_batch(handler, [job])
            return
        results = [exc]
    _resolve([future for _handler, _item, future, _at in jobs], results)


def _call_with_live_connection(handler: Handler[Any, Any], items: Sequence[Any]) -> Sequence[Any]:
    """Call `handler`, once more if its connection turns out to be dead (the server was restarted).

    Not after a query that took too long: nobody knows whether it takes effect, and the next would wait again.
    """
    was_connected = connection.connection is not None
    try:
        return handler(items)
    except (OperationalError, InterfaceError) as exc:
        connections.close_all()
        if not was_connected or is_timeout(exc):
            raise
        return handler(items)


def _resolve(futures: Sequence[asyncio.Future[Any]], results: Sequence[Any]) -> None:
    def settle() -> None:
        for future, result in zip(futures, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    loop = futures[0].get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)
