"""Sending one answer, streamed or whole, at its pace, with the fault that hits it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from aiohttp import web

from modelops.simulator.console import ConsoleLine, print_line
from modelops.simulator.engine import RunningRequest, SimulatedEngine
from modelops.simulator.errors import ApiError, engine_dead
from modelops.simulator.faults import STREAM_FAULTS, Fault, InjectedFault
from modelops.simulator.generation import GeneratedChoice
from modelops.simulator.metrics import RequestTimer
from modelops.simulator.pacing import AnswerPace, Token, paced_tokens
from modelops.simulator.sampling import Streaming
from modelops.simulator.wire import StreamWire

_GARBAGE = b'data: {"id":"chatcmpl-garbage","choices":[{"index":0,"delta":{"content":\xff\n\n'
_IN_BAND_MESSAGE = "Internal server error (simulated)"


@dataclass(frozen=True, slots=True)
class PlannedAnswer:
    """Everything decided about one answer before its first byte."""

    choices: tuple[GeneratedChoice, ...]
    prompt_tokens: int
    streaming: Streaming
    pace: AnswerPace
    strike: InjectedFault | None
    wire: StreamWire
    whole: Callable[[], bytes]

    @property
    def stream_strike(self) -> InjectedFault | None:
        """The strike, if it hits within the answer rather than instead of it."""
        return self.strike if self.strike and self.strike.fault in STREAM_FAULTS else None


class _EndOfStreamError(Exception):
    """The fault has ended the stream; nothing more may be written."""


async def send_answer(
    request: web.Request, engine: SimulatedEngine, answer: PlannedAnswer
) -> web.StreamResponse:
    """Generate and send ``answer``; raises ApiError when it fails before the first byte.

    A client that leaves cancels this coroutine, which frees the engine at once. The engine cancels
    it too: when it dies the answer ends with an error, when it is aborted the connection is cut.
    """
    if answer.strike is not None:
        await _strike_instead(request, engine, answer.strike)
    sequences = len(answer.choices)
    try:
        async with engine.admit(sequences=sequences, prompt_tokens=answer.prompt_tokens) as running:
            if answer.streaming.stream:
                return await _send_stream(request, engine, answer, running)
            return await _send_whole(request, engine, answer, running)
    except asyncio.CancelledError:
        if engine.died.is_set():
            raise engine_dead() from None
        raise


async def _strike_instead(request: web.Request, engine: SimulatedEngine, strike: InjectedFault) -> None:
    """Act out a fault that replaces the answer; returns for the faults that strike later."""
    match strike.fault:
        case Fault.REFUSE:
            await _abort_connection(request)
        case Fault.ERROR_STATUS:
            kind = {400: "BadRequestError", 404: "NotFoundError", 429: "TooManyRequestsError"}
            kind[503] = "ServiceUnavailableError"
            message = f"Simulated failure with status {strike.status}"
            name = kind.get(strike.status, "InternalServerError")
            raise ApiError(message, status=strike.status, kind=name)
        case Fault.ENGINE_DEAD:
            _log_engine_death()
            engine.die()
            raise engine_dead()
        case Fault.CRASH_AFTER_REQUESTS:
            _crash()


def _log_engine_death() -> None:
    text = (
        "EngineCore encountered a fatal error.\nTraceback (most recent call last):\n"
        '  File "/usr/local/lib/python3.12/dist-packages/vllm/v1/engine/core.py", line 1497, '
        "in run_engine_core\n    engine_core.run_busy_loop()\n"
        "RuntimeError: CUDA error: an illegal memory access was encountered"
    )
    print_line(ConsoleLine(text, source="core.py:1512", level="ERROR"))


def _crash() -> NoReturn:
    """End the process without a goodbye, as a segmentation fault in a kernel would."""
    _log_engine_death()
    os._exit(1)


async def _abort_connection(request: web.Request) -> NoReturn:
    """Reset the TCP connection; what was already written may still arrive."""
    if request.transport is not None:
        sock: socket.socket = request.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    await _wait_for_cancellation()


async def _wait_for_cancellation() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def _split_at_strike(
    batch: list[Token], *, sent: int, strike: InjectedFault | None
) -> tuple[list[Token], bool]:
    """The tokens to send before the strike, and whether it is due after them."""
    if strike is None or sent + len(batch) < strike.after_tokens:
        return batch, False
    return batch[: strike.after_tokens - sent], True


async def _send_whole(
    request: web.Request, engine: SimulatedEngine, answer: PlannedAnswer, running: RunningRequest
) -> web.Response:
    timer = RequestTimer(engine.metrics, arrived_at=engine.clock())
    strike = answer.stream_strike
    sent = 0
    if answer.strike and answer.strike.fault is Fault.HANG_FIRST_TOKEN:
        await _wait_for_cancellation()
    async for batch in paced_tokens(answer.choices, answer.pace):
        _, is_due = _split_at_strike(batch, sent=sent, strike=strike)
        sent += len(batch)
        running.tokens += len(batch)
        timer.record_tokens(len(batch), now=engine.clock())
        if strike and is_due:
            if strike.fault is Fault.GARBAGE:
                return web.Response(body=_GARBAGE, content_type="application/json")
            await _strike_whole(request, strike)
    _record_finish(engine, answer, timer)
    return web.Response(body=answer.whole(), content_type="application/json")


async def _strike_whole(request: web.Request, strike: InjectedFault) -> NoReturn:
    match strike.fault:
        case Fault.IN_BAND_ERROR:
            raise ApiError(_IN_BAND_MESSAGE, status=500, kind="InternalServerError")
        case Fault.STALL_MID_STREAM:
            await _wait_for_cancellation()
        case Fault.CRASH_MID_STREAM:
            _crash()
    await _abort_connection(request)


def _record_finish(engine: SimulatedEngine, answer: PlannedAnswer, timer: RequestTimer) -> None:
    for choice in answer.choices:
        timer.record_finish(choice.finish_reason, now=engine.clock())


async def _send_stream(
    request: web.Request, engine: SimulatedEngine, answer: PlannedAnswer, running: RunningRequest
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    # A client that leaves between two tokens shows as a failed write: there is nobody left to tell.
    with contextlib.suppress(ConnectionResetError):
        await response.prepare(request)
        await _write_answer(request, response, engine, answer, running)
        await response.write_eof()
    return response


async def _write_answer(
    request: web.Request,
    response: web.StreamResponse,
    engine: SimulatedEngine,
    answer: PlannedAnswer,
    running: RunningRequest,
) -> None:
    timer = RequestTimer(engine.metrics, arrived_at=engine.clock())
    try:
        await _write_tokens(request, response, engine, answer, running, timer)
    except _EndOfStreamError:
        return
    except asyncio.CancelledError:
        if engine.is_frozen:
            await _wait_for_cancellation()
        if not engine.died.is_set():
            raise
        await _write_failure(request, response, answer, engine_dead())
    else:
        _record_finish(engine, answer, timer)
        await response.write(answer.wire.closing(answer.choices))


async def _write_failure(
    request: web.Request, response: web.StreamResponse, answer: PlannedAnswer, error: ApiError
) -> None:
    """End the stream as its endpoint does when generating fails."""
    if not (events := answer.wire.failing(error)):
        await _abort_connection(request)
    await response.write(events)


async def _write_tokens(
    request: web.Request,
    response: web.StreamResponse,
    engine: SimulatedEngine,
    answer: PlannedAnswer,
    running: RunningRequest,
    timer: RequestTimer,
) -> None:
    """Write the opening events, at most endpoints with the first token, then every token."""
    pending = answer.wire.opening(answer.choices)
    if answer.wire.opens_at_once:
        await response.write(pending)
        pending = b""
    if answer.strike and answer.strike.fault is Fault.HANG_FIRST_TOKEN:
        await _wait_for_cancellation()
    strike = answer.stream_strike
    sent = 0
    async for batch in paced_tokens(answer.choices, answer.pace):
        before, is_due = _split_at_strike(batch, sent=sent, strike=strike)
        if before:
            await response.write(pending + b"".join(map(answer.wire.token, before)))
            pending = b""
        running.tokens += len(batch)
        timer.record_tokens(len(batch), now=engine.clock())
        if strike and is_due:
            await _strike_stream(request, response, answer, strike)
            strike = None
            await response.write(pending + b"".join(map(answer.wire.token, batch[len(before) :])))
            pending = b""
        sent += len(batch)


async def _strike_stream(
    request: web.Request, response: web.StreamResponse, answer: PlannedAnswer, strike: InjectedFault
) -> None:
    """Act out a fault between two events; returns only when the stream goes on after it."""
    match strike.fault:
        case Fault.GARBAGE:
            await response.write(_GARBAGE)
        case Fault.IN_BAND_ERROR:
            error = ApiError(_IN_BAND_MESSAGE, status=500, kind="InternalServerError")
            await _write_failure(request, response, answer, error)
            raise _EndOfStreamError
        case Fault.END_WITHOUT_DONE:
            raise _EndOfStreamError
        case Fault.STALL_MID_STREAM:
            await _wait_for_cancellation()
        case Fault.CRASH_MID_STREAM:
            _crash()
        case _:
            await _abort_connection(request)
