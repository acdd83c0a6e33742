"""An `EngineAdmission` on a board that the test changes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from chat.engine_admission import EngineAdmission, WaitLimits
from chat.slot_queues import AdmittedRequest, RouteRequest, Ticket
from modelops.serving.board import BoardSnapshot, SlotView
from modelops.serving.routes import RouteTable
from modelops.tests.serving.board_views import SLOT_IDS, board


class FakeBoard:
    """Shows what the test says."""

    def __init__(self, *slots: SlotView) -> None:
        self._listeners: list[Callable[[BoardSnapshot], None]] = []
        self.snapshot = board(*slots)
        self.routes = RouteTable(self.snapshot)

    def slot(self, slug: str) -> SlotView | None:
        return next((slot for slot in self.snapshot.slots if slot.slug == slug), None)

    def subscribe(self, listener: Callable[[BoardSnapshot], None]) -> None:
        self._listeners.append(listener)

    def show(self, *slots: SlotView) -> None:
        self.snapshot = board(*slots, profiles=("a", "b"))
        self.routes = RouteTable(self.snapshot)
        for listener in self._listeners:
            listener(self.snapshot)


class Bench:
    """An EngineAdmission, how often it announced a change, and the requests that it stopped."""

    def __init__(self, *slots: SlotView, queue_size: int = 10) -> None:
        self.board = FakeBoard()
        self.news = 0
        self.woken: list[uuid.UUID] = []
        self.stopped: list[Exception] = []
        limits = WaitLimits(plain_s=30, stream_s=900, queue_size=queue_size)
        self.admission = EngineAdmission(self.board, limits, on_change=self._count, on_wake=self.woken.append)
        self.board.show(*slots)

    def _count(self) -> None:
        self.news += 1

    def admit(self, model: str = "current") -> AdmittedRequest:
        admitted = self.admission.try_admit(RouteRequest(model, is_stream=False), self.stopped.append)
        assert admitted is not None
        return admitted

    def wait(
        self, model: str = "current", *, is_stream: bool = False
    ) -> tuple[Ticket, asyncio.Task[AdmittedRequest]]:
        request = RouteRequest(model, is_stream=is_stream)
        assert self.admission.try_admit(request, self.stopped.append) is None
        ticket = self.admission.enqueue(request, self.stopped.append)
        return ticket, asyncio.create_task(self.admission.wait_for_admission(ticket))

    @property
    def counts(self) -> tuple[int, int, int]:
        """Epoch, open, waiting, as the switcher would read them."""
        counts = self.admission.presence()[str(SLOT_IDS["default"])]
        return counts["epoch"], counts["open"], counts["waiting"]
