"""The requests of one slot as a web process has them: those at its engines, and those that wait."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from chat.replica_choice import EngineLoads, OutstandingWork
from modelops.serving.routes import Route

Stop = Callable[[Exception], None]


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """What a request asks for: the model, and whether its answer is a stream."""

    model: str
    is_stream: bool
    affinity: object = None
    """What `chat.prefix_keys` finds the key of its prefix in, where several engines could answer."""


class SlotQueue:
    """One slot as this process uses it: the requests at its engine, and those that wait for it."""

    __slots__ = ("engines", "epoch", "is_open", "running", "slot_id", "used_at", "waiting")

    def __init__(self) -> None:
        self.slot_id = ""
        self.epoch = 0
        self.is_open = True
        self.engines: set[str] = set()
        """The ids of those that requests go to."""
        self.running: set[AdmittedRequest] = set()
        self.waiting: dict[Ticket, None] = {}
        """In order of arrival."""
        self.used_at: float | None = None
        """When a request left last, in `time.monotonic` seconds."""

    def describe(self) -> dict[str, Any]:
        """The epoch that this process acts on, its requests, and for how many seconds it has had none."""
        counts: dict[str, Any] = {
            "epoch": self.epoch,
            "open": len(self.running),
            "waiting": len(self.waiting),
        }
        by_engine = Counter(each.route.engine for each in self.running)
        if len(self.engines | by_engine.keys()) > 1:
            counts["engines"] = dict(by_engine)
        if self.running or self.waiting:
            counts["idle_s"] = 0
        elif self.used_at is not None:
            counts["idle_s"] = int(time.monotonic() - self.used_at)
        return counts


class SlotAdmission(Protocol):
    """What a request asks of `chat.engine_admission.EngineAdmission`."""

    loads: EngineLoads

    def find_another(
        self, request: RouteRequest, tried: Collection[str]
    ) -> tuple[Route, SlotQueue, OutstandingWork | None] | None: ...

    def request_left(self, queue: SlotQueue, *, is_news: bool, has_choice: bool) -> None: ...


class AdmittedRequest:
    """A request that may go to its engine. Counts as open until `leave`, or the end of a `with`."""

    __slots__ = ("_admission", "_load", "_queue", "_request", "_tokens", "_tried", "route", "stop")

    def __init__(
        self,
        admission: SlotAdmission,
        queue: SlotQueue,
        route: Route,
        stop: Stop,
        request: RouteRequest,
        load: OutstandingWork | None = None,
    ) -> None:
        """`load` is the engine's, where it shares the requests with others."""
        self._admission = admission
        self._queue = queue
        self._request = request
        self._load = load
        self._tokens = 0.0
        self._tried: tuple[str, ...] = ()
        self.route = route
        self.stop = stop
        queue.running.add(self)

    def carry(self, prompt_bytes: int, choices: int, max_tokens: int | None) -> None:
        """The request's size, for the choice of those that come after it."""
        if self._load is not None:
            self._tokens = self._admission.loads.carry(self._load, prompt_bytes, choices, max_tokens)

    def move_on(self) -> bool:
        """Its engine did not take it: from now on it is at another one. False where there is none."""
        self._tried = (*self._tried, self.route.engine)
        if self._load is not None:
            self._admission.loads.note_failure(self.route.engine)
        found = self._admission.find_another(self._request, self._tried)
        if found is None:
            return False
        self.leave()
        self.route, self._queue, self._load = found
        self._tokens = 0.0
        self._queue.running.add(self)
        return True

    def leave(self) -> None:
        """Its connection to the engine is closed. Idempotent."""
        queue, load = self._queue, self._load
        if load is not None:
            self._load = None
            self._admission.loads.leave(load, self._tokens)
        queue.running.discard(self)
        queue.used_at = time.monotonic()
        # An engine that gets no more requests ends when the last one has left it.
        is_news = not queue.is_open or (self.route.engine not in queue.engines and self.route.engine != "")
        if queue.waiting or is_news or load is not None:
            self._admission.request_left(queue, is_news=is_news, has_choice=load is not None)

    def __enter__(self) -> Route:
        return self.route

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class Ticket:
    """The place of one request in the queue of a slot."""

    __slots__ = ("deadline", "future", "queue", "request", "slot", "stop")

    def __init__(
        self, request: RouteRequest, stop: Stop, *, slot: str, queue: SlotQueue, deadline: float
    ) -> None:
        self.request = request
        self.stop = stop
        self.slot = slot
        self.queue = queue
        self.deadline = deadline
        """In `time.monotonic` seconds. Enforced by the request that waits, with `overdue_error`."""
        self.future: asyncio.Future[AdmittedRequest] = asyncio.get_running_loop().create_future()
