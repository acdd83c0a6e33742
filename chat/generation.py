"""One answer being generated: its admission, the call to the engine, and what ends it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from chat.engine_admission import AdmittedRequest, EngineAdmission, RouteRequest, Ticket
from chat.odd_answers import check_for_error, read_odd_event
from chat.sse import DONE_PAYLOAD, join_events, payload_of
from chat.transcript import Chunk, Transcript, decode_chunk
from chat.upstream import EngineAnswer, EngineCall, EngineGateway
from chat.whole_answers import GAVE_UP, read_completion, reader_for
from gateway.bodies import NOT_JSON
from gateway.errors import GatewayError, UpstreamTimeout, UpstreamUnavailable
from modelops.serving.routes import Route

DRAIN_S = 0.05
BYTES_PER_TOKEN = 4
MAX_EVENT_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Timeouts:
    """The time-outs of an answer, in seconds: three of the engine's, and two of the client's stream."""

    first_byte_s: float
    idle_s: float
    total_s: float
    send_s: float
    ping_s: float


class GenerationStopped(Exception):
    """The answer was ended early by its user or client, which is no failure."""


class StoppedByUser(GenerationStopped):
    pass


class ClientLeft(GenerationStopped):
    pass


class Generation:
    """Waits for admission to an engine, calls it and parses its answer; can be stopped at any moment.

    `make_call` gets the route on admission. Until then `model` is the expected one; a switch may change it.
    """

    def __init__(
        self,
        *,
        admission: EngineAdmission,
        request: RouteRequest,
        engine: EngineGateway,
        make_call: Callable[[Route], EngineCall],
        timeouts: Timeouts,
        model: str,
        max_bytes: int,
        finish_without_client: bool = False,
        keep_usage: bool = True,
    ) -> None:
        self.model = model
        self.timeouts = timeouts
        self.transcript = Transcript()
        self.started_at = time.perf_counter()
        self.first_token_at: float | None = None
        self.sent_bytes = 0
        """The size of the request to the engine; 0 until admission."""
        self._call: EngineCall | None = None
        self._comes_whole = False
        self.on_admission: Callable[[], None] | None = None
        """Called when the wait in the queue is over."""
        self._admission = admission
        self._request = request
        self._ticket: Ticket | None = None
        self._engine = engine
        self._make_call = make_call
        self._max_bytes = max_bytes
        self._received_bytes = 0
        self._finish_without_client = finish_without_client
        self._keep_usage = keep_usage
        self._scope: asyncio.Timeout | None = None
        self._stop_reason: Exception | None = None
        self._has_data = False
        self._opened_at = self._active_at = time.monotonic()

    @asynccontextmanager
    async def stoppable(self) -> AsyncIterator[None]:
        """Inside the context, `stop` raises its reason at once."""
        try:
            async with asyncio.timeout(None) as self._scope:
                if self._stop_reason is not None:
                    raise self._stop_reason
                yield
        except TimeoutError:
            if self._stop_reason is None:
                raise
            raise self._stop_reason from None
        finally:
            self._scope = None

    def stop(self, reason: Exception) -> None:
        """End the answer with `reason`; the first reason counts. Safe at any time, from the same loop."""
        if self._stop_reason is None:
            self._stop_reason = reason
            if self._scope is not None:
                self._scope.reschedule(asyncio.get_running_loop().time())

    def client_left(self) -> None:
        """The client left: continue or stop, as the request asked. A request in the queue always stops."""
        if self._ticket is not None or not self._finish_without_client:
            self.stop(ClientLeft())

    @property
    def deadline(self) -> float:
        """The next time at which `check_deadline` may stop the answer, in `time.monotonic` seconds."""
        if self._ticket is not None:
            return self._ticket.deadline
        patience_s = self.timeouts.idle_s if self._has_data else self.timeouts.first_byte_s
        return min(self._active_at + patience_s, self._opened_at + self.timeouts.total_s)

    def check_deadline(self, now: float) -> None:
        """Stop the answer when its wait, the engine's silence or the whole answer exceeded its time-out."""
        if now < self.deadline:
            return
        if self._ticket is not None:
            self.stop(self._admission.overdue_error(self._ticket))
        elif now >= self._opened_at + self.timeouts.total_s:
            self.stop(UpstreamTimeout(f"The answer took longer than {self.timeouts.total_s:g} seconds."))
        elif self._has_data:
            self.stop(UpstreamTimeout(f"The engine was silent for {self.timeouts.idle_s:g} seconds."))
        else:
            self.stop(
                UpstreamTimeout(f"The engine sent nothing within {self.timeouts.first_byte_s:g} seconds.")
            )

    async def blocks(self) -> AsyncGenerator[bytes]:
        """The answer's events as bytes for the client, whole events each time, without the final `[DONE]`.

        Raises GatewayError when the engine fails, also when its stream ends without `[DONE]`.
        """
        async with self._at_engine() as answer:
            beginning = b""
            reader = None
            async for data in answer.chunks():
                self._note_data(data)
                if reader is None:
                    data = beginning = beginning + data
                    if (reader := reader_for(beginning)) is None:
                        continue
                folded = self._fold(reader.feed(data))
                if folded.kept:
                    yield join_events(folded.kept)
                if folded.error is not None:
                    raise folded.error
                if folded.is_done:
                    await _drain(answer)
                    return
                if reader.pending_bytes > MAX_EVENT_BYTES:
                    raise UpstreamUnavailable("The engine sent an event without end.")
            folded = self._fold(reader.finish() if reader else [])
            if folded.kept:
                yield join_events(folded.kept)
            if folded.error is not None:
                raise folded.error
            if folded.is_done:
                return
        raise UpstreamUnavailable("The engine broke off its answer.")

    async def read(self) -> bytes:
        """The answer's whole body, for calls that do not stream. Raises GatewayError."""
        pieces = []
        self._comes_whole = True
        async with self._at_engine() as answer:
            async for data in answer.chunks():
                self._note_data(data)
                pieces.append(data)
            completion = read_completion(b"".join(pieces))
            self.transcript.usage = completion.usage
            self.transcript.is_unfinished = completion.is_unfinished
        return completion.body

    def estimate_tokens(self) -> int:
        """About how many tokens the engine has generated, for an answer that ended without its count.

        Of a stream, its pieces and text tell. A plain answer shows nothing before it is complete, so its time
        at the engine and the engine's pace tell, up to what the request allowed.
        """
        if not self._comes_whole:
            return max(self.transcript.pieces, self.transcript.text_bytes // BYTES_PER_TOKEN)
        if self._call is None:
            return 0
        tokens = self._engine.pace.tokens_in(time.monotonic() - self._opened_at)
        if self._call.max_tokens is not None:
            tokens = min(tokens, self._call.max_tokens)
        return tokens * self._call.choices

    @asynccontextmanager
    async def _at_engine(self) -> AsyncIterator[EngineAnswer]:
        """The engine's answer, after admission. The engine's time-outs count from there."""
        admitted = self._admission.try_admit(self._request, self.stop)
        if admitted is None:
            admitted = await self._wait_for_admission()
        with admitted as route:
            self.model = route.model
            self._opened_at = self._active_at = time.monotonic()
            call = self._make_call(route)
            self._call = call
            self.sent_bytes = len(call.body)
            async with self._engine.open(route.base_url, call, api_key=route.api_key) as answer:
                yield answer
            if (usage := self.transcript.usage) is not None:
                tokens = (usage.completion_tokens or 0) // call.choices
                self._engine.pace.note(tokens, time.monotonic() - self._opened_at)

    async def _wait_for_admission(self) -> AdmittedRequest:
        self._ticket = self._admission.enqueue(self._request, self.stop)
        try:
            return await self._admission.wait_for_admission(self._ticket)
        finally:
            self._ticket = None
            if self.on_admission is not None:
                self.on_admission()

    def _note_data(self, data: bytes) -> None:
        """Raises UpstreamUnavailable for an answer that exceeds `max_bytes`."""
        self._has_data = True
        self._active_at = time.monotonic()
        self._received_bytes += len(data)
        if self._received_bytes > self._max_bytes:
            raise UpstreamUnavailable(f"The engine's answer is longer than {self._max_bytes} bytes.")

    def _fold(self, events: list[bytes]) -> _Folded:
        kept: list[bytes] = []
        try:
            for event in events:
                payload = payload_of(event)
                if payload == DONE_PAYLOAD:
                    return self._end(kept)
                if not payload:
                    continue  # a comment of the engine's: the gateway sends pings of its own
                try:
                    chunk = decode_chunk(payload)
                except NOT_JSON:
                    if payload.strip() == DONE_PAYLOAD:
                        return self._end(kept)
                    event, chunk = read_odd_event(event, payload)
                if chunk.error or not chunk.choices:
                    check_for_error(event, payload, chunk)
                self._take(chunk)
                if self.transcript.has_failed:
                    kept += [event] if any(choice.carries_something for choice in chunk.choices) else []
                    raise UpstreamUnavailable(GAVE_UP)
                if chunk.choices or self._keep_usage:
                    kept.append(event)
        except GatewayError as exc:
            return _Folded(kept, error=exc)
        return _Folded(kept)

    def _end(self, kept: list[bytes]) -> _Folded:
        """The engine sent `[DONE]`: the end of an answer, if there was one."""
        transcript = self.transcript
        if not transcript.pieces and not transcript.finish_reason:
            return _Folded(kept, error=UpstreamUnavailable("The engine ended its answer without any."))
        transcript.is_unfinished = not transcript.finish_reason
        return _Folded(kept, is_done=True)

    def _take(self, chunk: Chunk) -> None:
        self.transcript.add(chunk)
        if self.first_token_at is None and self.transcript.pieces:
            self.first_token_at = time.perf_counter()


class _Folded(NamedTuple):
    """The result of one read of the engine's stream. A NamedTuple, as one is made for every read."""

    kept: list[bytes]
    error: GatewayError | None = None
    is_done: bool = False


async def _drain(answer: EngineAnswer) -> None:
    """Read to the end after `[DONE]`, so that the connection can be used again."""
    with contextlib.suppress(TimeoutError, UpstreamUnavailable):
        async with asyncio.timeout(DRAIN_S):
            async for _rest in answer.chunks():
                pass
