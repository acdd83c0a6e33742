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
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            # How long to wait for the answer is the generation's decision: see chat.generation.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )

    @asynccontextmanager
    async def open(self, base_url: str, call: EngineCall, *, api_key: str) -> AsyncIterator[EngineAnswer]:
        """The answer of the engine at `base_url`, which takes `api_key`; leaving the context closes it.

        Closing it aborts the generation.
        Raises UpstreamUnavailable, UpstreamTimeout (connecting), or what the engine's error status means.
        """
        # An id of our own, never the client's: vLLM confuses two running requests with the same one.
        headers = {"Content-Type": "application/json", "X-Request-Id": uuid.uuid4().hex}
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


class _ErrorBody(msgspec.Struct):
    """vLLM's error: nested under `error` since 0.10, flat before."""

    error: Any = None
    message: Any = None
    param: Any = None


def error_from_answer(status: int, body: bytes) -> GatewayError:
    """What an engine's error answer means to the client: 4xx keep their status and message."""
    message, param = read_error_body(body)
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


def read_error_body(body: bytes) -> tuple[str, str | None]:
    """Message and param of an engine's error body, in either of vLLM's shapes; empty for anything else."""
    try:
        parsed = msgspec.json.decode(body, type=_ErrorBody)
    except NOT_JSON:
        return "", None
    message, param = parsed.message, parsed.param
    if isinstance(parsed.error, dict):
        message, param = parsed.error.get("message"), parsed.error.get("param")
    elif isinstance(parsed.error, str):
        message = parsed.error
    return str(message or ""), param if isinstance(param, str) else None
