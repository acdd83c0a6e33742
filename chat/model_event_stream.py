"""GET /api/models/events: what happens to models, as server-sent events that can be resumed."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from accounts.principals import Principal
from accounts.scopes import Scope as Scopes
from chat.model_events import ModelEvents, Subscription
from chat.runtime import get_runtime
from chat.sse import EVENT_STREAM_HEADERS, PING, named_event
from gateway.errors import AuthenticationFailed, GatewayError, InvalidRequest
from gateway.ids import parse_id
from modelops.board import SlotView
from modelops.live import LiveBoard
from modelops.switch_events import PAGE_SIZE, EventQuery, SwitchEventView

CHECK_PERIOD_S = 15.0
"""How often a subscriber's right to listen is checked again."""

_event_id = re.compile(r"[0-9]{1,18}")


async def stream_model_events(request: Request) -> Response:
    """Any user may listen; `Last-Event-ID` continues, else the present state comes first."""
    runtime = await get_runtime()

    async def authenticate() -> Principal:
        return await runtime.doorkeeper.identify(request, Scopes.MODELS_READ)

    principal = await runtime.doorkeeper.admit_listener(request, Scopes.MODELS_READ)
    return ModelEventStream(
        events=runtime.model_events,
        board=runtime.board,
        authenticate=authenticate,
        is_admin=principal.is_admin,
        after=read_last_event_id(request.headers.get("last-event-id")),
        switch=read_switch_filter(request),
        ping_s=runtime.timeouts.ping_s,
        send_s=runtime.timeouts.send_s,
    )


def read_last_event_id(value: str | None) -> int | None:
    """Raises InvalidRequest for anything but a whole number."""
    if value is None:
        return None
    if _event_id.fullmatch(value) is None:
        raise InvalidRequest("Last-Event-ID: not the id of an event.", param="Last-Event-ID")
    return int(value)


def read_switch_filter(request: Request) -> uuid.UUID | None:
    """The id in `?switch=`. Raises InvalidRequest for no UUID, or for other parameters."""
    for name in request.query_params:
        if name != "switch":
            raise InvalidRequest(f"{name}: Unknown parameter.", param=name)
    value = request.query_params.get("switch")
    if value is None:
        return None
    switch = parse_id(value)
    if switch is None:
        raise InvalidRequest("switch: not a UUID.", param="switch")
    return switch


class ModelEventStream(Response):
    """One subscriber's stream. It ends when the client leaves or is too slow, and when the process stops."""

    def __init__(
        self,
        *,
        events: ModelEvents,
        board: LiveBoard,
        authenticate: Callable[[], Awaitable[Principal]],
        is_admin: bool,
        after: int | None,
        switch: uuid.UUID | None,
        ping_s: float,
        send_s: float,
    ) -> None:
        self.background = None
        self._events = events
        self._board = board
        self._authenticate = authenticate
        self._is_admin = is_admin
        self._after = after
        self._switch = switch
        self._ping_s = ping_s
        self._send_s = send_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._events.subscribed() as (subscription, newest):
            # Before the first byte, so that a database that is away is a 503.
            missed = await self._read_missed(self._after) if self._after is not None else []
            sending = asyncio.create_task(self._send_all(send, subscription, newest, missed))
            leaving = asyncio.create_task(_disconnect(receive))
            try:
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, leaving):
                    task.cancel()
                results = await asyncio.gather(sending, leaving, return_exceptions=True)
        scope["gateway.log"]["outcome"] = _outcome(results[0])

    async def _send_all(
        self, send: Send, subscription: Subscription, newest: int, missed: list[SwitchEventView]
    ) -> None:
        headers = [*EVENT_STREAM_HEADERS]
        await self._send(send, {"type": "http.response.start", "status": 200, "headers": headers})
        if self._after is None:
            await self._send_body(send, named_event("status", newest, self._describe_board()))
        replayed: set[int] = set()
        while missed:
            for event in missed:
                await self._send_event(send, event)
            replayed = {event.id for event in missed}
            # A page that is not full was the last one.
            missed = await self._read_missed(missed[-1].id) if len(missed) == PAGE_SIZE else []
        await self._send_live(send, subscription, replayed)
        await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_live(self, send: Send, subscription: Subscription, replayed: set[int]) -> None:
        checked_at = time.monotonic()
        while True:
            event, is_silent = None, True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._ping_s):
                    event, is_silent = await subscription.next(), False
            if time.monotonic() - checked_at > CHECK_PERIOD_S:
                checked_at = time.monotonic()
                if not await self._may_listen():
                    return
            if is_silent:
                await self._send_body(send, PING)
            elif event is None:
                return
            elif event.id not in replayed and self._switch in {None, event.switch}:
                await self._send_event(send, event)

    async def _may_listen(self) -> bool:
        try:
            self._is_admin = (await self._authenticate()).is_admin
        except AuthenticationFailed:
            return False
        except GatewayError:
            pass  # nobody can tell right now
        return True

    async def _read_missed(self, after: int) -> list[SwitchEventView]:
        return await self._events.read(EventQuery(after, self._switch))

    async def _send_event(self, send: Send, event: SwitchEventView) -> None:
        content = event.serialise(for_admin=self._is_admin)
        await self._send_body(send, named_event(event.kind, event.id, content))

    async def _send_body(self, send: Send, body: bytes) -> None:
        await self._send(send, {"type": "http.response.body", "body": body, "more_body": True})

    async def _send(self, send: Send, message: dict[str, Any]) -> None:
        """Raises TimeoutError for a reader that takes nothing."""
        async with asyncio.timeout(self._send_s):
            await send(message)

    def _describe_board(self) -> dict[str, Any]:
        """The present state, from which the events go on."""
        snapshot = self._board.snapshot
        status = self._board.status
        return {
            "state": status.state,
            "current": status.current,
            "slots": [_describe_slot(slot) for slot in (snapshot.slots if snapshot else ())],
        }


def _describe_slot(slot: SlotView) -> dict[str, Any]:
    engine, switch = slot.engine, slot.switch
    return {
        "slot": slot.slug,
        "profile": engine.profile if engine else None,
        "model": engine.model_name if engine else None,
        "since": engine.since if engine else None,
        "is_open": slot.is_open,
        "switch": None
        if switch is None
        else {
            "id": switch.id,
            "state": switch.state,
            "from_profile": switch.from_profile or None,
            "to_profile": switch.to_profile,
            "phase": switch.phase or None,
            "percent": switch.percent,
            "ready_expected_at": switch.ready_expected_at,
        },
    }


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _outcome(result: BaseException | None) -> str:
    if result is None:
        return "ended"
    if isinstance(result, TimeoutError):
        return "too_slow"
    if isinstance(result, asyncio.CancelledError):
        return "client_left"
    if isinstance(result, GatewayError):
        return result.code  # it comes back with Last-Event-ID
    raise result
