"""Calls to the engine: opens completions, and translates its failures into errors for the client.

aiohttp instead of httpx here, by measurement (docs/adr/0002). Its exceptions do not leave this module.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from chat.pace import Pace
from gateway.bodies import NOT_JSON
from gateway.errors import (
    ContextLengthExceeded,
    GatewayError,
    ModelNotFound,
    RateLimitExceeded,
    RequestTooLarge,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)

MAX_ERROR_BYTES = 64 * 1024

COMMON_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
"""Compression only costs time here. What is compressed all the same, by a proxy, aiohttp decodes."""

MAX_REPORTED = 500
"""Characters of the message of an engine that failed."""

CODE_FIELDS = ("code", "status", "status_code")
"""Where servers write the HTTP status of an error that they report under a 200."""

KEEP_ALIVE_S = 3.0
"""Shorter than the 5 s after which uvicorn, which vLLM runs on, closes an idle connection: reusing one
that is being closed would fail a request that never reached the engine."""

CONTEXT_PHRASES = ("maximum context length", "longer than the maximum model length", "max_model_len")


@dataclass(frozen=True)
class EngineCall:
    """One request to the engine."""

    path: str
    body: bytes
    traceparent: str | None = None
    choices: int = 1
    """How many texts are generated for it."""
    max_tokens: int | None = None
    """Of each of them; None where the request names no limit."""


class EngineAnswer:
    """The engine's 200, whose body is still to be read."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes as they arrive. Raises UpstreamUnavailable when the engine breaks off."""
        with _broken_off_is_unavailable():
            while data := await self._response.content.readany():
                yield data


class EngineGateway:
    """Opens completions on the engine that a request was admitted to; one per web process."""

    def __init__(self, *, connect_timeout_s: float) -> None:
        self.pace = Pace()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            # How long to wait for the answer is the generation's decision: see chat.generation.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept"),
        )

    @asynccontextmanager
    async def open(self, base_url: str, call: EngineCall, *, api_key: str) -> AsyncIterator[EngineAnswer]:
        """The answer of the engine at `base_url`, which takes `api_key`; leaving the context closes it.

        Closing it aborts the generation.
        Raises UpstreamUnavailable, UpstreamTimeout (connecting), or what the engine's error status means.
        """
        # An id of our own, never the client's: vLLM confuses two running requests with the same one.
        headers = {**COMMON_HEADERS, "X-Request-Id": uuid.uuid4().hex}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        if call.traceparent:
            headers["traceparent"] = call.traceparent
        try:
            response = await self._session.post(
                base_url + call.path, data=call.body, headers=headers, allow_redirects=False
            )
        except aiohttp.ConnectionTimeoutError as exc:
            raise UpstreamTimeout("The engine did not accept a connection in time.") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise UpstreamUnavailable(_describe(exc)) from exc
        try:
            if response.status != 200:
                with _broken_off_is_unavailable():
                    # The beginning of an error's body is all that is passed on.
                    body = await response.content.read(MAX_ERROR_BYTES)
                raise error_from_answer(response.status, body)
            yield EngineAnswer(response)
        finally:
            # Not release(): that would keep the connection and let the engine go on generating.
            if not response.content.at_eof():
                response.close()

    async def close(self) -> None:
        await self._session.close()


@contextmanager
def _broken_off_is_unavailable() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError) as exc:
        raise UpstreamUnavailable("The engine broke off its answer.") from exc


def _describe(exc: Exception) -> str:
    if isinstance(exc, aiohttp.ClientConnectorError):
        return "The engine does not accept connections: it is down, or still loading its model."
    return "The engine closed the connection without an answer."


def error_from_answer(status: int, body: bytes) -> GatewayError:
    """What an engine's error answer means to the client: 4xx keep their status and message."""
    return _error_of_status(status, *read_error_body(body))


def _error_of_status(status: int, message: str, param: str | None) -> GatewayError:
    if status in {401, 403}:
        return UpstreamUnavailable("The engine refused the gateway's key: check VLLM_API_KEY.")
    if status == 404 and "model" in message:
        return ModelNotFound(message, param=param or "model")
    if status == 429:
        return RateLimitExceeded(message or "The engine has too many requests.")
    if status == 413:
        return RequestTooLarge(message or None)
    if 400 <= status < 500:
        if any(phrase in message for phrase in CONTEXT_PHRASES):
            return ContextLengthExceeded(message, param=param)
        return UpstreamRejected(message or f"The engine answered {status}.", status=status, param=param)
    if status == 504:
        return UpstreamTimeout("The engine answered 504.")
    return UpstreamUnavailable(f"The engine failed with status {status}.")


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
    detail = f": {message[:MAX_REPORTED]}" if message else "."
    return UpstreamUnavailable(f"The engine failed{detail}")


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
