"""The operators' desk, live: `/ws/modelops/` and, for browsers whose way to us has no WebSockets, the same
messages as server-sent events. Administrators alone, by the cookie of the admin or an access token.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from starlette.types import ASGIApp, Receive, Scope, Send

from accounts.cookie_check import check_cookies, read_session_key
from accounts.principals import Principal
from chat.sse import EVENT_STREAM_HEADERS
from gateway.conf import get_config
from gateway.desk_runtime import get_desk_runtime
from gateway.errors import (
    AuthenticationFailed,
    ConcurrencyLimitExceeded,
    DependencyUnavailable,
    GatewayError,
    MethodNotAllowed,
    PermissionDenied,
)
from gateway.http import check_host, header_value
from gateway.page_security import page_headers
from modelops.desk.feed import DeskFollower

log = structlog.get_logger()

SOCKET_PATH = "/ws/modelops/"
EVENTS_PATH = "/api/models/desk/events"
CHECK_PERIOD_S = 5.0
"""How soon a desk closes whose session has ended."""
PING_PERIOD_S = 15.0
PING = b'{"type":"ping"}'
MOST_FOLLOWERS = 200
"""In one process. Each costs little, and there are few administrators: more is a mistake of a script."""
SIGNED_OUT, NOT_ALLOWED, TOO_MANY, STOPPING = 4401, 4403, 4429, 1012

Deliver = Callable[[bytes], Awaitable[None]]


async def authenticate(scope: Scope) -> Principal:
    """Who follows. Raises AuthenticationFailed, PermissionDenied and DependencyUnavailable."""
    runtime = await get_desk_runtime()
    if (authorization := header_value(scope, b"authorization")) is not None:
        principal = await runtime.authenticator.authenticate(authorization)
    else:
        key = read_session_key(header_value(scope, b"cookie"))
        if not key:
            raise AuthenticationFailed
        principal = await runtime.worker.submit(check_cookies, key)
    if not principal.is_admin:
        raise PermissionDenied("The desk is for administrators.")
    return principal


def read_language(scope: Scope) -> str:
    """By `?language=`: a browser's own header says what it prefers, not what its page is in."""
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("language", [""])[0]
    return asked if asked in dict(settings.LANGUAGES) else "en"


async def deliver_desk(scope: Scope, follower: DeskFollower, deliver: Deliver) -> GatewayError | None:
    """Pass everything on until the feed ends (None) or the right to follow does (why)."""
    loop = asyncio.get_running_loop()
    check_at, ping_at = loop.time() + CHECK_PERIOD_S, loop.time() + PING_PERIOD_S
    send_s = get_config().send_timeout_s
    while True:
        message: bytes | None = PING
        is_silent = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(min(check_at, ping_at)):
                message, is_silent = await follower.next(), False
        if message is None:
            return None
        if loop.time() >= check_at:
            check_at = loop.time() + CHECK_PERIOD_S
            if (refusal := await _find_refusal(scope)) is not None:
                return refusal
        if is_silent and loop.time() < ping_at:
            continue
        ping_at = loop.time() + PING_PERIOD_S
        async with asyncio.timeout(send_s):
            await deliver(message)


async def _find_refusal(scope: Scope) -> GatewayError | None:
    try:
        await authenticate(scope)
    except DependencyUnavailable:
        return None  # the right cannot be checked now; the feed says that the database is away
    except GatewayError as refusal:
        return refusal
    return None


class DeskSocket(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """One desk at `/ws/modelops/`. What a browser says here is not listened to."""

    _sending: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        try:
            check_host(self.scope, get_config().hosts)
            check_origin(self.scope)
        except GatewayError:
            # Before the handshake: another site's page learns nothing but that.
            await self.close()
            return
        await self.accept()
        try:
            await authenticate(self.scope)
        except GatewayError as refusal:
            await self.close(code=close_code(refusal))
            return
        self._sending = asyncio.create_task(self._send_all(), name="send-desk")

    async def disconnect(self, code: int) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        return

    async def _send_all(self) -> None:
        runtime = await get_desk_runtime()
        if runtime.feed.follower_count >= MOST_FOLLOWERS:
            await self.close(code=TOO_MANY)
            return
        try:
            async with runtime.feed.following(read_language(self.scope)) as follower:
                refusal = await deliver_desk(self.scope, follower, self._deliver)
        except (TimeoutError, RuntimeError) as exc:
            # Too slow, or gone while something was sent; either way nobody reads any more.
            log.info("desk_left", reason=type(exc).__name__)
            return
        await self.close(code=STOPPING if refusal is None else close_code(refusal))

    async def _deliver(self, message: bytes) -> None:
        await self.send(text_data=message.decode())


def close_code(refusal: GatewayError) -> int:
    if isinstance(refusal, AuthenticationFailed):
        return SIGNED_OUT
    return NOT_ALLOWED if isinstance(refusal, PermissionDenied) else STOPPING


def check_origin(scope: Scope) -> None:
    """Raises PermissionDenied for pages of other origins, for which a browser would send the cookie along.

    Programs send no Origin, and no cookie by themselves.
    """
    origin = header_value(scope, b"origin")
    if origin is None and header_value(scope, b"cookie") is None:
        return
    host = header_value(scope, b"host") or ""
    if origin is None or urlsplit(origin).netloc.lower() != host.lower():
        raise PermissionDenied("The Origin is not this gateway's.")


class DeskPlane:
    """Answers for the events of the desk; everything else is for `pages`."""

    def __init__(self, pages: ASGIApp) -> None:
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != EVENTS_PATH:
            await self._pages(scope, receive, send)
            return
        if scope["method"] != "GET":
            raise MethodNotAllowed(headers={"Allow": "GET"})
        await authenticate(scope)
        runtime = await get_desk_runtime()
        if runtime.feed.follower_count >= MOST_FOLLOWERS:
            raise ConcurrencyLimitExceeded
        async with runtime.feed.following(read_language(scope)) as follower:
            await _stream(scope, receive, send, follower)


async def _stream(scope: Scope, receive: Receive, send: Send, follower: DeskFollower) -> None:
    """Until the client leaves, is too slow, or may follow no longer."""

    async def deliver(message: bytes) -> None:
        await send({"type": "http.response.body", "body": b"data: %b\n\n" % message, "more_body": True})

    headers = [*EVENT_STREAM_HEADERS, *page_headers()]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    sending: asyncio.Task[Any] = asyncio.create_task(deliver_desk(scope, follower, deliver))
    leaving: asyncio.Task[Any] = asyncio.create_task(_disconnect(receive))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)
    if sending.done() and not sending.cancelled() and sending.exception() is None:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def refuse_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Close every other WebSocket: no other path has one."""
    await send({"type": "websocket.close", "code": 1000})


def build_socket_router() -> ASGIApp:
    socket = DeskSocket.as_asgi()

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        await (socket if scope["path"] == SOCKET_PATH else refuse_socket)(scope, receive, send)

    return route
