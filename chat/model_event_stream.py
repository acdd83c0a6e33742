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
from chat.model_events import OVERLAP, ModelEvents, Subscription
from chat.sse import EVENT_STREAM_HEADERS, PING, named_event
from chat.web_runtime import get_runtime
from gateway.caller_language import translator_for
from gateway.errors import DependencyUnavailable, GatewayError, InvalidRequest
from gateway.ids import parse_id
from gateway.wording import Translate, fill_in, say_all
from modelops.serving.external_engine import ExternalView
from modelops.switching.events import PAGE_SIZE, EventQuery, SwitchEventView
from modelops.switching.status import StatusQuery

CHECK_PERIOD_S = 15.0
"""How often a subscriber's right to listen is checked again."""

_event_id = re.compile(r"[0-9]{1,18}")


async def stream_model_events(request: Request) -> Response:
    """Continues after `Last-Event-ID`; without one, the first event is the present state."""
    runtime = await get_runtime()
    principal = await runtime.request_admission.admit_event_stream(request, Scopes.MODELS_READ)

    async def authenticate() -> Principal:
        # Not with `request_admission`, which counts a bad credential against its address: this is no new
        # request.
        found = await runtime.authenticator.authenticate(request.headers.get("authorization"))
        found.require(Scopes.MODELS_READ)
        return found

    return ModelEventStream(
        events=runtime.model_events,
        see_external=runtime.board.view_external,
        authenticate=authenticate,
        is_admin=principal.is_admin,
        after=read_last_event_id(request.headers.get("last-event-id")),
        switch=read_switch_filter(request),
        ping_s=runtime.timeouts.ping_s,
        send_s=runtime.timeouts.send_s,
        translate=translator_for(request.headers.get("accept-language")),
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
            raise InvalidRequest(fill_in("{name}: Unknown parameter.", name=name), param=name)
    value = request.query_params.get("switch")
    if value is None:
        return None
    switch = parse_id(value)
    if switch is None:
        raise InvalidRequest("switch: not a UUID.", param="switch")
    return switch


class ModelEventStream(Response):
    """The stream of one subscriber. Ends when the client leaves or is too slow, or the process stops."""

    def __init__(
        self,
        *,
        events: ModelEvents,
        see_external: Callable[[], ExternalView | None],
        authenticate: Callable[[], Awaitable[Principal]],
        is_admin: bool,
        after: int | None,
        switch: uuid.UUID | None,
        ping_s: float,
        send_s: float,
        translate: Translate | None = None,
    ) -> None:
        self.background = None
        self._events = events
        self._see_external = see_external
        self._authenticate = authenticate
        self._is_admin = is_admin
        self._after = after
        self._switch = switch
        self._ping_s = ping_s
        self._send_s = send_s
        self._translate = translate
        self._newest = 0
        """The newest event before it subscribed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._events.subscribed() as (subscription, self._newest):
            # Read before the first byte, so that an unavailable database is a 503, and after subscribing, so
            # that no event is lost between the state and the events that follow it.
            status, missed = None, []
            if self._after is not None and await self._events.knows(self._after):
                missed = await self._read_missed(self._after)
            else:
                query = StatusQuery(self._is_admin, self._see_external())
                described = await self._events.describe(query)
                status = named_event("status", self._newest, say_all(described, self._translate))
            sending = asyncio.create_task(self._send_all(send, subscription, status, missed))
            leaving = asyncio.create_task(_disconnect(receive))
            try:
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, leaving):
                    task.cancel()
                results = await asyncio.gather(sending, leaving, return_exceptions=True)
        scope["gateway.log"]["outcome"] = _outcome(results[0])

    async def _send_all(
        self, send: Send, subscription: Subscription, status: bytes | None, missed: list[SwitchEventView]
    ) -> None:
        headers = [*EVENT_STREAM_HEADERS]
        await self._send(send, {"type": "http.response.start", "status": 200, "headers": headers})
        if status is not None:
            await self._send_body(send, status)
        replayed: set[int] = set()
        while missed:
            for event in missed:
                await self._send_event(send, event)
            # Of every page: an event that happens meanwhile is in a page and among the live events.
            replayed |= {event.id for event in missed if event.id > self._newest - OVERLAP}
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
        except DependencyUnavailable:
            pass  # the right cannot be checked now
        except GatewayError:
            return False
        return True

    async def _read_missed(self, after: int) -> list[SwitchEventView]:
        return await self._events.read(EventQuery(after, self._switch))

    async def _send_event(self, send: Send, event: SwitchEventView) -> None:
        content = say_all(event.serialise(for_admin=self._is_admin), self._translate)
        await self._send_body(send, named_event(event.kind, event.id, content))

    async def _send_body(self, send: Send, body: bytes) -> None:
        await self._send(send, {"type": "http.response.body", "body": body, "more_body": True})

    async def _send(self, send: Send, message: dict[str, Any]) -> None:
        """Raises TimeoutError when the client accepts nothing for `send_s`."""
        async with asyncio.timeout(self._send_s):
            await send(message)


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
        return result.code  # the client reconnects with Last-Event-ID
    raise result
