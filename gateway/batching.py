"""One thread that does blocking database work for the event loop, in batches.

Whatever arrives while a batch runs is the next batch, so one round trip to the database serves many
requests under load and a lone request waits for nobody. Each submitter waits for its own result: a
write is confirmed before anything built on it is acknowledged.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection, connections

from gateway.errors import DependencyUnavailable, ShuttingDown

log = structlog.get_logger()

Item = TypeVar("Item")
Result = TypeVar("Result")

# A handler takes the batch's items and answers one result each, in order. A result that is an
# exception is raised to that item's submitter alone.
Handler = Callable[[Sequence[Item]], Sequence[Result | Exception]]
Job = tuple[Handler[Any, Any], Any, "asyncio.Future[Any]"]

MAX_BATCH = 256
IDLE_CLOSE_S = 2.0


class BatchWorker:
    """Runs handlers on a thread of its own, with one database connection at most and none when idle."""

    def __init__(self, name: str = "batch-worker") -> None:
        self._is_stopped = False
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def submit(self, handler: Handler[Item, Result], item: Item) -> Result:
        """`handler`'s result for `item`. Raises DependencyUnavailable when the database fails.

        Raises ShuttingDown once the worker is stopped.
        """
        if self._is_stopped:
            raise ShuttingDown
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._jobs.put((handler, item, future))
        return await future

    async def stop(self) -> None:
        """Finish the submitted items, then end the thread."""
        self._is_stopped = True
        self._jobs.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        is_stopping = False
        while not is_stopping:
            jobs, is_stopping = self._next_jobs()
            for handler, group in _grouped(jobs).items():
                _run_batch(handler, group)
        connections.close_all()

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


def _grouped(jobs: Sequence[Job]) -> dict[Handler[Any, Any], list[Job]]:
    groups: dict[Handler[Any, Any], list[Job]] = {}
    for job in jobs:
        groups.setdefault(job[0], []).append(job)
    return groups


def _run_batch(handler: Handler[Any, Any], jobs: Sequence[Job]) -> None:
    items = [item for _handler, item, _future in jobs]
    results: Sequence[Any]
    try:
        results = _call_with_live_connection(handler, items)
    except (OperationalError, InterfaceError) as exc:
        log.error("database_failed", error=type(exc).__name__, detail=str(exc))
        results = [DependencyUnavailable("The database does not answer.")] * len(jobs)
    except Exception as exc:
        if len(jobs) > 1:
            # One bad item must not fail its neighbours: each gets its own try.
            for job in jobs:
                _run_batch(handler, [job])
            return
        results = [exc]
    _resolve([future for _handler, _item, future in jobs], results)


def _call_with_live_connection(handler: Handler[Any, Any], items: Sequence[Any]) -> Sequence[Any]:
    """Call `handler`, once more if its connection turns out to be dead (the server was restarted)."""
    was_connected = connection.connection is not None
    try:
        return handler(items)
    except (OperationalError, InterfaceError):
        connections.close_all()
        if not was_connected:
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
