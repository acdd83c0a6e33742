"""Who may go to an engine now: the count of open requests of each slot, and the room where others wait.

Everything here happens on the event loop, and what must not be torn apart (a request is let in and
counted; an epoch is acknowledged with its count) happens without an `await` in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from gateway.errors import GatewayError, ModelSwitching, RateLimitExceeded
from modelops.serving.board import BoardSnapshot, SlotView
from modelops.serving.routes import Route, RouteTable, cut_error, switching_error

Stop = Callable[[Exception], None]


class Board(Protocol):
    """What the gate needs of `modelops.serving.live.LiveBoard`."""

    routes: RouteTable

    def slot(self, slug: str) -> SlotView | None: ...

    def subscribe(self, listener: Callable[[BoardSnapshot], None]) -> None: ...


@dataclass(frozen=True, kw_only=True)
class WaitLimits:
    """How long a request may wait, in seconds, and how many of them at a time in each slot's room."""

    plain_s: float
    stream_s: float
    room_size: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for."""

    model: str
    is_stream: bool


class Lane:
    """One slot, as this process uses it."""

    __slots__ = ("epoch", "is_open", "running", "slot_id", "waiting")

    def __init__(self) -> None:
        self.slot_id = ""
        self.epoch = 0
        self.is_open = True
        self.running: set[Place] = set()
        self.waiting: dict[Waiter, None] = {}
        """In order of arrival."""


class Place:
    """A request that was let in. It counts as open until it leaves, by itself or at the end of a `with`."""

    __slots__ = ("_gate", "_lane", "route", "stop")

    def __init__(self, gate: Gate, lane: Lane, route: Route, stop: Stop) -> None:
        self._gate = gate
        self._lane = lane
        self.route = route
        self.stop = stop
        lane.running.add(self)

    def leave(self) -> None:
        """Its connection to the engine is closed. Idempotent."""
        lane = self._lane
        lane.running.discard(self)
        if lane.waiting or not lane.is_open:
            self._gate.place_left(lane)

    def __enter__(self) -> Route:
        return self.route

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class Waiter:
    """A request in the waiting room."""

    __slots__ = ("deadline", "future", "lane", "slot", "stop", "wish")

    def __init__(self, wish: Wish, stop: Stop, *, slot: str, lane: Lane, deadline: float) -> None:
        self.wish = wish
        self.stop = stop
        self.slot = slot
        self.lane = lane
        self.deadline = deadline
        """In `time.monotonic` seconds; whoever waits sees to it, with `Gate.overdue_error`."""
        self.future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()


class Gate:
    """Lets requests in to the engines of every slot, or has them wait; one per web process."""

    def __init__(
        self, board: Board, limits: WaitLimits, *, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._board = board
        self._limits = limits
        self._on_change = on_change
        """Called when other processes should learn of new counts or of an epoch acted on."""
        self._lanes: dict[str, Lane] = {}
        board.subscribe(self._follow)

    def enter(self, wish: Wish, stop: Stop) -> Place | None:
        """A place at the engine, if there is one at once; then `stop` ends it should it have to go."""
        route = self._board.routes.ready.get(wish.model)
        if route is None:
            return None
        lane = self._lane(route.slot)
        if lane.waiting or not _has_room(lane, route):
            return None
        return Place(self, lane, route, stop)

    def check_room(self, route: Route) -> None:
        """Raises ModelSwitching when nobody else may wait for this route."""
        if route.must_wait and len(self._lane(route.slot).waiting) >= self._limits.room_size:
            raise self._room_is_full(route.slot)

    def queue(self, wish: Wish, stop: Stop) -> Waiter:
        """Take a place in the waiting room; the caller awaits `admission` at once.

        Raises ModelSwitching or RateLimitExceeded when the room is full, and what resolving its model
        raises.
        """
        route = self._board.routes.resolve(wish.model)
        lane = self._lane(route.slot)
        wait_s = self._limits.stream_s if wish.is_stream else self._limits.plain_s
        waiter = Waiter(wish, stop, slot=route.slot, lane=lane, deadline=time.monotonic() + wait_s)
        lane.waiting[waiter] = None
        if not route.must_wait:
            self._release(lane)
        if waiter in lane.waiting and len(lane.waiting) > self._limits.room_size:
            del lane.waiting[waiter]
            raise self._room_is_full(route.slot)
        self._announce(lane)
        return waiter

    async def admission(self, waiter: Waiter) -> Place:
        """Wait to be let in. Raises what resolving the model raises when that changes for the worse."""
        try:
            return await waiter.future
        except asyncio.CancelledError:
            future = waiter.future
            if future.done() and not future.cancelled() and future.exception() is None:
                # Let in and stopped in the same moment.
                future.result().leave()
            raise
        finally:
            waiter.lane.waiting.pop(waiter, None)
            self._announce(waiter.lane)

    def overdue_error(self, waiter: Waiter) -> GatewayError:
        """What a request is told that has waited for as long as it may."""
        if waiter.wish.model in self._board.routes.ready:
            return _too_many(waiter.slot)
        return self._switching_error(waiter.slot, "The model is not ready yet.")

    def presence(self) -> dict[str, dict[str, int]]:
        """What this process acts on and has, by slot id."""
        return {
            lane.slot_id: {
                "epoch": lane.epoch,
                "open": len(lane.running),
                "waiting": len(lane.waiting),
            }
            for lane in self._lanes.values()
            if lane.slot_id
        }

    def place_left(self, lane: Lane) -> None:
        """A place of a lane that somebody watches became free."""
        self._announce(lane)
        self._release(lane)

    def _follow(self, snapshot: BoardSnapshot) -> None:
        """Act on what the board says now: close, end, let in."""
        for slot in snapshot.slots:
            lane = self._lane(slot.slug)
            has_moved = (lane.slot_id, lane.epoch) != (str(slot.id), slot.epoch)
            lane.slot_id, lane.epoch = str(slot.id), slot.epoch
            lane.is_open = slot.is_open
            if slot.is_cut:
                for place in list(lane.running):
                    place.stop(cut_error(slot))
            if has_moved:
                self._on_change()
        for lane in list(self._lanes.values()):
            self._release(lane)

    def _release(self, lane: Lane) -> None:
        """Let in who can be let in, in the order of arrival; send away who waits for nothing any more."""
        for waiter in list(lane.waiting):
            if waiter.future.done():
                continue
            try:
                route = self._board.routes.resolve(waiter.wish.model)
            except GatewayError as exc:
                del lane.waiting[waiter]
                waiter.future.set_exception(exc)
                continue
            its_lane = self._lane(route.slot)
            if not route.must_wait and _has_room(its_lane, route):
                del lane.waiting[waiter]
                waiter.future.set_result(Place(self, its_lane, route, waiter.stop))

    def _announce(self, lane: Lane) -> None:
        if not lane.is_open:
            self._on_change()

    def _lane(self, slot: str) -> Lane:
        lane = self._lanes.get(slot)
        if lane is None:
            lane = self._lanes[slot] = Lane()
        return lane

    def _room_is_full(self, slug: str) -> GatewayError:
        lane = self._lane(slug)
        if lane.is_open and (slot := self._board.slot(slug)) is not None and not slot.switches:
            return _too_many(slug)
        return self._switching_error(slug, "Too many requests wait for the model already.")

    def _switching_error(self, slug: str, what: str) -> GatewayError:
        slot = self._board.slot(slug)
        return switching_error(slot, what) if slot is not None else ModelSwitching(what)


def _has_room(lane: Lane, route: Route) -> bool:
    """Whether the profile's limit allows one more; each web process counts its own requests."""
    limit = route.max_concurrent_requests
    return limit is None or len(lane.running) < limit


def _too_many(slot: str) -> GatewayError:
    return RateLimitExceeded(
        f"The model of the slot {slot!r} answers as many requests as its profile allows at a time."
    )
