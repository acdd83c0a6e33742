"""Calls to the engine: opens completions, and translates its failures into errors for the client.

A client of our own instead of aiohttp or httpx here, by measurement (docs/adr/0010).
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from chat.content_coding import Decoder
from chat.content_headers import JSON_TYPE, ContentHeaders
from chat.engine_connection import BrokenOff, EngineConnection, Take
from chat.engine_connections import BaseUrl, EngineConnections, parse_base_url
from chat.forms import FormBody
from chat.pace import Pace
from gateway.bodies import NOT_JSON
from gateway.errors import (
    ContextLengthExceeded,
    GatewayError,
    ImagesNotSupported,
    ModelNotFound,
    RateLimitExceeded,
    RequestTooLarge,
    UpstreamCause,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.wording import fill_in

MAX_ERROR_BYTES = 64 * 1024


COMMON_HEADERS = ("Accept-Encoding: identity",)
"""Compression only costs time here. What is compressed all the same, by a proxy, is decoded."""

MAX_REPORTED = 500
"""Characters of the message of an engine that failed."""

CODE_FIELDS = ("code", "status", "status_code")
"""Where servers write the HTTP status of an error that they report under a 200."""

CONTEXT_PHRASES = ("maximum context length", "longer than the maximum model length", "max_model_len")


NO_PATH_MESSAGES = ("not found", "404 page not found")
"""In lower case: of servers of Python and of Go."""

_no_such_api = re.compile(r"The model does not support .{1,60} API\.?")
"""vLLM's words at a path that belongs to another task."""

NO_IMAGE_PHRASES = ("is not a multimodal model", "at most 0 image")
"""In lower case: of a model that reads none, and of one that was started to take none."""


class EngineCall(msgspec.Struct, frozen=True):
    """One request to the engine."""

    path: str
    body: bytes | FormBody
    traceparent: str | None = None
    choices: int = 1
    """How many texts are generated for it; 0 where the engine only reads."""
    max_tokens: int | None = None
    """Of each of them; None where the request names no limit."""
    missing_error: Callable[[], GatewayError] | None = None
    """What it means that the engine does not have the path."""

    @property
    def text_bytes(self) -> int:
        """Of the body, without a file in it."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.text_bytes


class EngineAnswer:
    """The engine's 200, whose body is still to be read."""

    def __init__(self, connection: EngineConnection) -> None:
        self._connection = connection

    @property
    def is_complete(self) -> bool:
        """Whether all of it has arrived."""
        return self._connection.is_complete

    @property
    def content_headers(self) -> ContentHeaders:
        return ContentHeaders(self._connection.content_type, self._connection.metadata)

    async def relay(self, take: Take) -> None:
        """Give the body to `take` as it arrives, piece by piece; returns at its end.

        Raises what `take` raises, and UpstreamUnavailable when the engine breaks off.
        """
        encoding = self._connection.content_encoding
        try:
            if encoding in {"", "identity"}:
                await self._connection.relay(take)
            else:
                decoder = Decoder(encoding, take)
                await self._connection.relay(decoder.take)
                decoder.finish()
        except BrokenOff as exc:
            broken_off = UpstreamUnavailable("The engine broke off its answer.")
            raise broken_off.caused_by(UpstreamCause.BROKEN_OFF) from exc

    async def read_beginning(self) -> bytes:
        """The first piece of the body, at most MAX_ERROR_BYTES of it."""
        pieces: list[bytes] = []

        def take(data: bytes) -> None:
            pieces.append(data)
            raise _Enough

        with contextlib.suppress(_Enough):
            await self.relay(take)
        return b"".join(pieces)[:MAX_ERROR_BYTES]


class _Enough(Exception):
    """Nothing more is wanted."""


class EngineGateway:
    """Opens completions on the engine that a request was admitted to; one per web process."""

    def __init__(self, *, connect_timeout_s: float) -> None:
        self.pace = Pace()
        self._connections = EngineConnections(connect_timeout_s=connect_timeout_s)

    @asynccontextmanager
    async def open(
        self, base_url: str, call: EngineCall, *, api_key: str, request_id: str = ""
    ) -> AsyncIterator[EngineAnswer]:
        """The answer of the engine at `base_url`, which takes `api_key`; leaving the context closes it.

        `request_id` is what the engine knows the request by (`new_engine_request_id`).
        Closing it aborts the generation. How long to wait for the answer is the generation's decision.
        Raises UpstreamUnavailable, UpstreamTimeout (connecting), or what the engine's error status means.
        """
        try:
            url = parse_base_url(base_url)
        except ValueError as exc:
            no_url = UpstreamUnavailable("The engine's address is no URL.")
            raise no_url.caused_by(UpstreamCause.CONNECT) from exc
        head = _head_of(url, call, api_key, request_id or new_engine_request_id())
        try:
            connection = await self._connections.get(url.origin)
        except TimeoutError as exc:
            overdue = UpstreamTimeout("The engine did not accept a connection in time.")
            raise overdue.caused_by(UpstreamCause.CONNECT_TIMEOUT) from exc
        except OSError as exc:
            unreachable = UpstreamUnavailable(
                "The engine does not accept connections: it is down, or still loading its model."
            )
            raise unreachable.caused_by(UpstreamCause.CONNECT) from exc
        try:
            try:
                if isinstance(call.body, bytes):
                    await connection.request(head, call.body)
                else:
                    await connection.send(head, call.body.pieces())
            except BrokenOff as exc:
                closed = UpstreamUnavailable("The engine closed the connection without an answer.")
                raise closed.caused_by(UpstreamCause.CLOSED) from exc
            answer = EngineAnswer(connection)
            if connection.status != 200:
                # The beginning of an error's body is all that is passed on.
                beginning = await answer.read_beginning()
                if call.missing_error is not None and is_missing_path(connection.status, beginning):
                    raise call.missing_error()
                raise error_from_answer(connection.status, beginning)
            yield answer
        finally:
            # One whose answer has not ended is closed: else the engine would go on generating.
            self._connections.give_back(connection, url.origin)

    async def close(self) -> None:
        self._connections.close()


def new_engine_request_id() -> str:
    """An id of our own, never the client's: vLLM confuses two running requests with the same one."""
    return secrets.token_hex(16)


def _head_of(url: BaseUrl, call: EngineCall, api_key: str, request_id: str) -> bytes:
    """The head of the request. Raises ValueError for a header that would be more than one."""
    lines = [
        f"POST {url.path}{call.path} HTTP/1.1",
        f"Host: {url.host_header}",
        *COMMON_HEADERS,
        f"Content-Type: {JSON_TYPE if isinstance(call.body, bytes) else call.body.content_type}",
        f"X-Request-Id: {request_id}",
        f"Content-Length: {len(call.body)}",
    ]
    if authorization := f"Bearer {api_key}" if api_key else url.authorization:
        lines.append(f"Authorization: {authorization}")
    if call.traceparent:
        lines.append(f"traceparent: {call.traceparent}")
    for line in lines:
        if "\n" in line or "\r" in line:
            raise ValueError("A header of the request to the engine holds a line end.")
    return "\r\n".join([*lines, "", ""]).encode()


def is_missing_path(status: int, body: bytes) -> bool:
    """Whether the engine does not have the path, or has it for other kinds of models."""
    message, _param = read_error_body(body)
    if status == 404 and (not message or message.strip().lower() in NO_PATH_MESSAGES):
        return True
    return status in {400, 404, 501} and _no_such_api.fullmatch(message) is not None


def error_from_answer(status: int, body: bytes) -> GatewayError:
    """What an engine's error answer means to the client: 4xx keep their status and message."""
    return _error_of_status(status, *read_error_body(body))


def _error_of_status(status: int, message: str, param: str | None) -> GatewayError:
    if status in {401, 403}:
        refused = UpstreamUnavailable("The engine refused the gateway's key: check VLLM_API_KEY.")
        return refused.caused_by(UpstreamCause.KEY_REFUSED)
    if 400 <= status < 500:
        return _rejection(status, message, param).caused_by(UpstreamCause.REJECTED)
    if status == 504:
        return UpstreamTimeout("The engine answered 504.").caused_by(UpstreamCause.SERVER_ERROR)
    failed = UpstreamUnavailable(fill_in("The engine failed with status {status}.", status=status))
    return failed.caused_by(UpstreamCause.NOT_READY if status == 503 else UpstreamCause.SERVER_ERROR)


def _rejection(status: int, message: str, param: str | None) -> GatewayError:
    if status == 404 and "model" in message:
        return ModelNotFound(message, param=param or "model")
    if status == 429:
        return RateLimitExceeded(message or "The engine has too many requests.")
    if status == 413:
        return RequestTooLarge(message or None)
    if any(phrase in message for phrase in CONTEXT_PHRASES):
        return ContextLengthExceeded(message, param=param)
    if any(phrase in message.lower() for phrase in NO_IMAGE_PHRASES):
        return ImagesNotSupported(message, param=param)
    return UpstreamRejected(message or f"The engine answered {status}.", status=status, param=param)


def error_in_answer(content: Any) -> GatewayError:
    """What an error means that the engine reports under a 200: an object, its `error`, or plain words.

    The engine wrote its message for the client of the answer, so a failure keeps it too.
    """
    outer = content if isinstance(content, dict) else {"message": content}
    inner = outer.get("error")
    codes = [
        *(inner.get(name) for name in CODE_FIELDS if isinstance(inner, dict)),
        *map(outer.get, CODE_FIELDS),
    ]
    status = next((code for code in map(_status_of, codes) if code), 500)
    message, param = _described(outer)
    if status < 500 or status == 504:
        return _error_of_status(status, message, param)
    failed = UpstreamUnavailable("The engine failed.")
    if message:
        told = fill_in("The engine failed: {message}", message=message[:MAX_REPORTED])
        failed = UpstreamUnavailable(told)
    return failed.caused_by(UpstreamCause.SERVER_ERROR)


def _status_of(code: Any) -> int | None:
    """An HTTP error status, as a number or in digits."""
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    return code if isinstance(code, int) and 400 <= code < 600 else None


def read_error_body(body: bytes) -> tuple[str, str | None]:
    """Message and param of an engine's error body, in vLLM's or FastAPI's shapes; empty for anything else."""
    try:
        return _described(msgspec.json.decode(body, type=dict))
    except NOT_JSON:
        return "", None


def _described(content: dict[str, Any]) -> tuple[str, str | None]:
    """Message and param: nested under `error` (vLLM since 0.10), flat (before), or in FastAPI's `detail`."""
    found: Any = content.get("error") or content
    if isinstance(found, dict) and (detail := found.get("detail")):
        found = _first_problem(detail)
    if not isinstance(found, dict):
        found = {"message": found}
    message, param = found.get("message"), found.get("param")
    return _sendable(message or ""), _sendable(param) if isinstance(param, str) else None


def _first_problem(detail: Any) -> Any:
    """FastAPI's `detail`: words, or a list of problems with their places, of which the first is told."""
    problem = detail[0] if isinstance(detail, list) else detail
    if not isinstance(problem, dict):
        return problem
    place = problem.get("loc")
    names = [str(name) for name in place if name != "body"] if isinstance(place, list) else []
    return {"message": problem.get("msg") or problem.get("message"), "param": ".".join(names) or None}


def _sendable(value: Any) -> str:
    """The text of `value`, without halves of characters, which no answer can hold."""
    return str(value).encode(errors="replace").decode()
