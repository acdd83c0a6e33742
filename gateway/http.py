"""Bounded bodies, host checks and the error answer, as plain ASGI for both planes."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import msgspec
from django.http.request import split_domain_port, validate_host
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from gateway.caller_language import translator_for
from gateway.envelopes import envelope_for
from gateway.errors import (
    GatewayError,
    InvalidRequest,
    RequestTooLarge,
    UnsupportedMediaType,
    status_of,
)
from gateway.metrics import refusals_of
from gateway.wording import fill_in

SLOWEST_BODY_BYTES_PER_S = 16 * 1024
"""Slower than a phone on a bad line: a client below it for long holds its request open on purpose."""

ARRIVED_AT = "gateway.arrived_at"
"""The key in the ASGI scope of the time at which the request came, in `time.perf_counter` seconds."""

SHORT_WAY = "gateway.short_way"
"""Where a scope may hold a `ShortWay`, which `gateway.server_protocol` puts there."""

OWN_API_PREFIX = "/api/"
"""Of the paths that are the gateway's own and no other maker's: they keep their exact form."""

JSON_CONTENT_TYPE = (b"content-type", b"application/json")


GIVE_UP = {"Connection": "close"}
"""The connection ends with the answer: nothing else will come on it."""


class BodyBound(NamedTuple):
    max_bytes: int
    setting: str = "MAX_BODY_BYTES"
    """Which it comes from, for the message of a refusal."""
    grow: Callable[[], Awaitable[BodyBound]] | None = None
    """Asks for a larger one, where that is known only when the body has come: chunks say no length."""


class ShortWay(Protocol):
    """What ASGI's `send` and `receive` do for a streamed answer, without coroutines."""

    @property
    def has_whole_body(self) -> bool:
        """Whether all of the request has arrived: `receive` will not wait for it."""

    @property
    def is_free(self) -> bool:
        """Whether `send` will not wait: the client has taken what was sent before, or nearly."""

    def write(self, data: bytes) -> bool:
        """Write a piece of the body. False when it has to go through `send`, which may wait."""

    def watch(self, on_gone: Callable[[], None] | None) -> None:
        """Have this called once, soon after the client is gone; nothing any more with None."""


def header_value(scope: Scope, name: bytes) -> str | None:
    """The last value of a header, latin-1 decoded; None when it is absent. `name` is in lower case."""
    for key, value in reversed(scope["headers"]):
        if key == name:
            return str(value, "latin-1")
    return None


def header_values(scope: Scope, name: bytes) -> list[str]:
    """All values of a header, in the order in which they came, latin-1 decoded. `name` is in lower case."""
    return [str(value, "latin-1") for key, value in scope["headers"] if key == name]


def check_host(scope: Scope, allowed: Sequence[str]) -> None:
    """Raises InvalidRequest for a Host header that names none of `allowed` (Django's pattern rules)."""
    if not _is_allowed(header_value(scope, b"host") or "", tuple(allowed)):
        raise InvalidRequest("The Host header names no host of this gateway. See ALLOWED_HOSTS.")


@lru_cache(maxsize=256)
def _is_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


def check_encoding(scope: Scope) -> None:
    """Raises UnsupportedMediaType for a body that is compressed, which no view decodes."""
    encoding = header_value(scope, b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in {"", "identity"}:
        raise UnsupportedMediaType(
            fill_in(
                "The body is compressed (Content-Encoding: {encoding}). Send it as it is.",
                encoding=encoding[:40],
            ),
            headers={"Accept-Encoding": "identity"},
        )


def tidy_path(path: str) -> str:
    """The path without doubled slashes and without one at the end."""
    return re.sub("/{2,}", "/", path).rstrip("/") or "/"


def declared_bytes(scope: Scope) -> int | None:
    """The length that the request gives its body; None for one that comes in chunks."""
    declared = header_value(scope, b"content-length")
    return int(declared) if declared is not None and declared.isdigit() else None


def bounded_receive(scope: Scope, receive: Receive, *, bound: BodyBound, timeout_s: float) -> Receive:
    """A `receive` whose body ends in RequestTooLarge past `bound` and in InvalidRequest when it stalls.

    Content-Length is checked before the first byte is read; a chunked body is counted as it comes. Each
    piece has `timeout_s`, and all of them together that and what SLOWEST_BODY_BYTES_PER_S takes for them.
    Once the body is complete, waiting (for the disconnect) is unbounded.
    """
    if (declared_bytes(scope) or 0) > bound.max_bytes:
        raise _body_too_large(bound)
    short_way: ShortWay | None = scope.get(SHORT_WAY)
    received = 0
    started: float | None = None
    is_complete = False

    async def receive_in_time() -> Message:
        nonlocal started
        now = time.monotonic()
        started = now if started is None else started
        left_s = started + timeout_s + received / SLOWEST_BODY_BYTES_PER_S - now
        try:
            async with asyncio.timeout(min(timeout_s, left_s)):
                return await receive()
        except TimeoutError as exc:
            raise InvalidRequest(
                fill_in("The request body stalled for {seconds} seconds.", seconds=f"{timeout_s:g}"),
                headers=GIVE_UP,
            ) from exc

    async def receive_bounded() -> Message:
        nonlocal bound, received, is_complete
        if is_complete:
            return await receive()
        has_come = short_way is not None and short_way.has_whole_body
        message = await (receive() if has_come else receive_in_time())
        received += len(message.get("body", b""))
        if received > bound.max_bytes and bound.grow is not None:
            bound = await bound.grow()
        if received > bound.max_bytes:
            raise _body_too_large(bound)
        is_complete = not message.get("more_body", False)
        return message

    return receive_bounded


async def read_whole_body(receive: Receive) -> bytes:
    """The whole body of a request. Raises ClientDisconnect.

    Starlette's own goes by way of two generators, which is a hundredth of what a short chat costs.
    """
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def _body_too_large(bound: BodyBound) -> RequestTooLarge:
    return RequestTooLarge(
        fill_in(
            "The request body is larger than the {max_bytes} bytes that {setting} allows.",
            max_bytes=bound.max_bytes,
            setting=bound.setting,
        )
    )


async def send_json(
    send: Send, status: int, content: object, headers: Mapping[str, str] | None = None
) -> None:
    body = msgspec.json.encode(content)
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                JSON_CONTENT_TYPE,
                (b"content-length", str(len(body)).encode()),
                *((k.lower().encode(), v.encode()) for k, v in (headers or {}).items()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def send_error(
    send: Send, error: GatewayError, *, path: str = "", accept_language: str | None = None
) -> None:
    refusals_of(error.code).inc()
    envelope = envelope_for(path, error, translator_for(accept_language))
    await send_json(send, status_of(error), envelope, error.headers)
