"""Admission control for engines: counts the open requests of each slot and queues those that have to wait.

Everything here runs on the event loop. What has to be atomic (a request is admitted and counted, an epoch is
acknowledged together with its count) happens without an `await` in between.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from chat.replica_choice import EngineLoads, OutstandingWork
from chat.slot_queues import AdmittedRequest, RouteRequest, SlotQueue, Stop, Ticket
from gateway.conf import GatewayConfig
from gateway.errors import GatewayError, ModelSwitching, RateLimitExceeded
from gateway.wording import fill_in
from modelops.serving.board import BoardSnapshot, SlotView
from modelops.serving.routes import Route, RouteTable, cut_error, switching_error


class Board(Protocol):
    """What `EngineAdmission` needs of `modelops.serving.live.LiveBoard`."""

    routes: RouteTable

    def slot(self, slug: str) -> SlotView | None: ...

    def subscribe(self, listener: Callable[[BoardSnapshot], None]) -> None: ...


@dataclass(frozen=True, kw_only=True)
class WaitLimits:
    """How long a request may wait, in seconds, and how many may wait for each slot at a time."""

    plain_s: float
    stream_s: float
    queue_size: int

    @classmethod
    def of(cls, config: GatewayConfig) -> WaitLimits:
        return cls(
            plain_s=config.switch_wait_s,
            stream_s=config.switch_stream_wait_s,
            queue_size=config.switch_queue_size,
        )


class EngineAdmission:
    """Admits requests to the engines of every slot, or queues them; one per web process."""

    def __init__(
        self,
        board: Board,
        limits: WaitLimits,
        *,
        on_change: Callable[[], None] = lambda: None,
        on_wake: Callable[[uuid.UUID], None] = lambda _slot_id: None,
    ) -> None:
        self._board = board
        self._limits = limits
        self._on_change = on_change
        """Called when other processes should learn of new counts or of an acknowledged epoch."""
        self._on_wake = on_wake
        """Called with a slot that rests while requests wait for it and none is known to have asked."""
        self._queues: dict[str, SlotQueue] = {}
        self.loads = EngineLoads()
        """Of the engines that share their requests with others."""
        board.subscribe(self._follow)

    def try_admit(self, request: RouteRequest, stop: Stop) -> AdmittedRequest | None:
        """Admit the request if that is possible at once; None when it has to be queued.

        `stop` is called with the reason if the request has to end before its answer does.
        """
        route = self._board.routes.ready.get(request.model)
        if route is None:
            return None
        queue = self._queue_of(route.slot)
        return None if queue.waiting else self._admit(request, route, stop)

    def try_admit_spare(self, model: str, stop: Stop, *, most_running: int) -> AdmittedRequest | None:
        """Admit what nobody waits for, unless the engine is busy; `stop` as in `try_admit`.

        It is while somebody waits or a switch goes on, while `most_running` requests of this process are at
        it, and while one more would take the last place of those that its profile allows.
        """
        route = self._board.routes.ready.get(model)
        if route is None:
            return None
        queue, slot = self._queue_of(route.slot), self._board.slot(route.slot)
        if queue.waiting or (slot is not None and not slot.is_settled):
            return None
        limit = route.max_concurrent_requests
        most = most_running if limit is None else min(most_running, limit - 1)
        request = RouteRequest(model, is_stream=False)
        if route.choices:
            chosen = self.loads.choose(route.choices)
            if chosen is None or self.loads.running_at(chosen.engine) >= most:
                return None
            return self._enter(request, chosen, stop)
        return AdmittedRequest(self, queue, route, stop, request) if len(queue.running) < most else None

    def find_another(
        self, request: RouteRequest, tried: Collection[str]
    ) -> tuple[Route, SlotQueue, OutstandingWork | None] | None:
        """Where a request may go whose engines so far did not take it; None for nowhere at once."""
        route = self._board.routes.ready.get(request.model)
        if route is None:
            return None
        if route.choices:
            chosen = self.loads.choose(route.choices, request.affinity, without=tried)
            if chosen is None:
                return None
            return chosen, self._queue_of(chosen.slot), self.loads.enter(chosen.engine)
        queue = self._queue_of(route.slot)
        return None if route.engine in tried or not _has_capacity(queue, route) else (route, queue, None)

    def check_queue_space(self, route: Route) -> None:
        """Raises ModelSwitching when the route needs a wait and the queue of its slot is full."""
        if route.must_wait and len(self._queue_of(route.slot).waiting) >= self._limits.queue_size:
            raise self._queue_full_error(route.slot)

    def enqueue(self, request: RouteRequest, stop: Stop) -> Ticket:
        """Queue the request; the caller has to await `wait_for_admission` at once.

        Raises ModelSwitching or RateLimitExceeded when the queue is full, and what resolving its model
        raises.
        """
        route = self._board.routes.resolve(request.model)
        queue = self._queue_of(route.slot)
        wait_s = self._limits.stream_s if request.is_stream else self._limits.plain_s
        ticket = Ticket(request, stop, slot=route.slot, queue=queue, deadline=time.monotonic() + wait_s)
        queue.waiting[ticket] = None
        if not route.must_wait:
            self._release(queue)
        if ticket in queue.waiting and len(queue.waiting) > self._limits.queue_size:
            del queue.waiting[ticket]
            raise self._queue_full_error(route.slot)
        self._announce(queue)
        self._wake(self._board.slot(route.slot))
        return ticket

    async def wait_for_admission(self, ticket: Ticket) -> AdmittedRequest:
        """Wait until the request is admitted. Raises what resolving its model raises once it cannot be."""
        try:
            return await ticket.future
        except asyncio.CancelledError:
            future = ticket.future
            if future.done() and not future.cancelled() and future.exception() is None:
                # Admitted and stopped in the same moment.
                future.result().leave()
            raise
        finally:
            ticket.queue.waiting.pop(ticket, None)
            ticket.queue.used_at = time.monotonic()
            self._announce(ticket.queue)

    def overdue_error(self, ticket: Ticket) -> GatewayError:
        """The error for a request whose deadline in the queue has passed."""
        if ticket.request.model in self._board.routes.ready:
            return _too_many(ticket.slot)
        return self._switching_error(ticket.slot, fill_in("The model is not ready yet."))

    def presence(self) -> dict[str, dict[str, Any]]:
        """By slot id: the epoch that this process acts on, and its open and waiting requests; the open ones
        by engine as well, where there are several."""
        return {queue.slot_id: queue.describe() for queue in self._queues.values() if queue.slot_id}

    def request_left(self, queue: SlotQueue, *, is_news: bool, has_choice: bool) -> None:
        """A request left a slot for which others wait, or, which is news, whose counts the switcher follows.

        With `has_choice` those who wait for another slot may go where it was.
        """
        if is_news:
            self._on_change()
        for each in self._queues.values() if has_choice else (queue,):
            if each.waiting:
                self._release(each)

    def _follow(self, snapshot: BoardSnapshot) -> None:
        """Apply a new snapshot of the board: close slots, end requests, admit those that can go on."""
        self.loads.forget_others({str(engine.id) for slot in snapshot.slots for engine in slot.engines})
        for slot in snapshot.slots:
            queue = self._queue_of(slot.slug)
            queue.engines = {str(engine.id) for engine in slot.engines}
            has_moved = (queue.slot_id, queue.epoch) != (str(slot.id), slot.epoch)
            queue.slot_id, queue.epoch = str(slot.id), slot.epoch
            queue.is_open = slot.is_open
            if slot.is_cut:
                for admitted in list(queue.running):
                    admitted.stop(cut_error(slot))
            if has_moved:
                self._on_change()
        for queue in list(self._queues.values()):
            self._release(queue)
        for slot in snapshot.slots:
            self._wake(slot)

    def _wake(self, slot: SlotView | None) -> None:
        """Ask for a slot that rests, or is about to, while requests wait for it."""
        if slot is not None and slot.needs_wake and self._queue_of(slot.slug).waiting:
            self._on_wake(slot.id)

    def _release(self, queue: SlotQueue) -> None:
        """Admit what can be admitted, in order of arrival; fail what can no longer be."""
        for ticket in list(queue.waiting):
            if ticket.future.done():
                continue
            try:
                route = self._board.routes.resolve(ticket.request.model)
            except GatewayError as exc:
                del queue.waiting[ticket]
                ticket.future.set_exception(exc)
                continue
            if route.must_wait:
                continue
            admitted = self._admit(ticket.request, route, ticket.stop)
            if admitted is not None:
                del queue.waiting[ticket]
                ticket.future.set_result(admitted)

    def _admit(self, request: RouteRequest, route: Route, stop: Stop) -> AdmittedRequest | None:
        """None while every engine has as many requests as its profile allows."""
        if route.choices:
            chosen = self.loads.choose(route.choices, request.affinity)
            return None if chosen is None else self._enter(request, chosen, stop)
        queue = self._queue_of(route.slot)
        return AdmittedRequest(self, queue, route, stop, request) if _has_capacity(queue, route) else None

    def _enter(self, request: RouteRequest, chosen: Route, stop: Stop) -> AdmittedRequest:
        queue, load = self._queue_of(chosen.slot), self.loads.enter(chosen.engine)
        return AdmittedRequest(self, queue, chosen, stop, request, load)

    def _announce(self, queue: SlotQueue) -> None:
        if not queue.is_open:
            self._on_change()

    def _queue_of(self, slot: str) -> SlotQueue:
        queue = self._queues.get(slot)
        if queue is None:
            queue = self._queues[slot] = SlotQueue()
        return queue

    def _queue_full_error(self, slug: str) -> GatewayError:
        queue = self._queue_of(slug)
        if queue.is_open and (slot := self._board.slot(slug)) is not None and not slot.switches:
            return _too_many(slug)
        return self._switching_error(slug, fill_in("Too many requests wait for the model already."))

    def _switching_error(self, slug: str, what: str) -> GatewayError:
        slot = self._board.slot(slug)
        return switching_error(slot, what) if slot is not None else ModelSwitching(what)


def _has_capacity(queue: SlotQueue, route: Route) -> bool:
    """Whether the profile's limit allows one more; each web process counts its own requests."""
    limit = route.max_concurrent_requests
    return limit is None or len(queue.running) < limit


def _too_many(slot: str) -> GatewayError:
    return RateLimitExceeded(
        fill_in(
            "The model of the slot {slot} answers as many requests as its profile allows at a time.",
            slot=repr(slot),
        )
    )
