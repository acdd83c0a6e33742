"""One answer being generated: its admission, the call to the engine, and what ends it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from chat.content_headers import ContentHeaders
from chat.endpoints import CHAT_PATH
from chat.engine_admission import EngineAdmission
from chat.positions import EventIds
from chat.slot_queues import AdmittedRequest, RouteRequest, Ticket
from chat.sse import DONE, join_events
from chat.stream_reading import StreamEnded, StreamRead
from chat.traced_calls import trace_call
from chat.transcript import Choice, Chunk, Transcript
from chat.upstream import EngineAnswer, EngineCall, EngineGateway, new_engine_request_id
from chat.whole_answers import Completion
from chat.wires import CHAT_WIRE, Wire
from conversations.known_messages import KnownMessage
from gateway import metrics
from gateway.conf import GatewayConfig
from gateway.errors import GatewayError, UpstreamCause, UpstreamTimeout, UpstreamUnavailable
from gateway.tracing import AnswerTrace
from gateway.wording import fill_in
from modelops.serving.board import FREE
from modelops.serving.routes import Route

DRAIN_S = 0.05
BYTES_PER_TOKEN = 4

NOT_TAKEN = frozenset(
    {
        UpstreamCause.CONNECT,
        UpstreamCause.CONNECT_TIMEOUT,
        UpstreamCause.CLOSED,
        UpstreamCause.NOT_READY,
    }
)
"""Failures of an engine that has answered nothing: the request may be sent to another one."""

log = structlog.get_logger()

Deliver = Callable[[bytes], Coroutine[Any, Any, None] | None]
"""Takes a piece of the answer. What it returns is awaited before it is given the next piece."""


@dataclass(frozen=True)
class Timeouts:
    """The time-outs of an answer, in seconds: three of the engine's, and two of the client's stream."""

    first_byte_s: float
    idle_s: float
    total_s: float
    send_s: float
    ping_s: float

    @classmethod
    def of(cls, config: GatewayConfig) -> Timeouts:
        return cls(
            first_byte_s=config.upstream_first_byte_timeout_s,
            idle_s=config.upstream_idle_timeout_s,
            total_s=config.generation_timeout_s,
            send_s=config.send_timeout_s,
            ping_s=config.ping_interval_s,
        )


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
        continued: KnownMessage | None = None,
        request_id: str = "",
        endpoint: str = CHAT_PATH,
        wire: Wire = CHAT_WIRE,
        counts_prompt: bool = True,
    ) -> None:
        """`continued` is the answer that goes on. `request_id` is the one that its row has.

        Without `counts_prompt` the engine counts no tokens, and none are estimated for a client that leaves.
        """
        self.model = model
        self.endpoint = endpoint
        """The path that its use is counted under."""
        self.wire = wire
        self.last_event = DONE
        """Of a stream that did not fail: sent when its outcome is on record."""
        self.price = FREE
        """Of the model that answers; known from admission on."""
        self.timeouts = timeouts
        self.continued = continued
        self.request_id = request_id
        self.transcript = Transcript(continued.content, continued.reasoning) if continued else Transcript()
        if not counts_prompt:
            # Also where the answer ends before it says so.
            self.transcript.prompt_tokens = 0
        self.started_at = time.perf_counter()
        self.first_token_at: float | None = None
        self.trace: AnswerTrace | None = None
        self.waited_s = 0.0
        """In the queue of its slot."""
        self.sent_at: float | None = None
        """When the request went to the engine; as the others in `time.perf_counter` seconds."""
        self.engine_request_id = ""
        """What the engine knows the request by; empty until it was sent."""
        self.ended_at: float | None = None
        """When the end of a stream had come."""
        self.growth_listeners: list[Callable[[], None]] = []
        """Called when the transcript has grown, and when the answer is over."""
        self.content_headers = ContentHeaders()
        """Of an answer that is not streamed."""
        self.sent_bytes = 0
        """The size of the request to the engine; 0 until admission."""
        self._call: EngineCall | None = None
        self._comes_whole = False
        self.on_new_deadline: Callable[[], None] | None = None
        """Called when `deadline` may have become an earlier one."""
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

    @property
    def choices(self) -> int:
        """How many texts the engine was asked for; 1 until the request went to it."""
        return 1 if self._call is None else self._call.choices

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
        if self._ticket is not None and self._ticket.future.done():
            return  # it was admitted, or refused, in this moment
        if self._ticket is not None:
            self.stop(self._admission.overdue_error(self._ticket))
        elif now >= self._opened_at + self.timeouts.total_s:
            self.stop(
                UpstreamTimeout(
                    fill_in(
                        "The answer took longer than {seconds} seconds.", seconds=f"{self.timeouts.total_s:g}"
                    )
                ).caused_by(UpstreamCause.TOTAL_TIMEOUT)
            )
        elif self._has_data:
            self.stop(
                UpstreamTimeout(
                    fill_in(
                        "The engine was silent for {seconds} seconds.", seconds=f"{self.timeouts.idle_s:g}"
                    )
                ).caused_by(UpstreamCause.IDLE_TIMEOUT)
            )
        else:
            self.stop(
                UpstreamTimeout(
                    fill_in(
                        "The engine sent nothing within {seconds} seconds.",
                        seconds=f"{self.timeouts.first_byte_s:g}",
                    )
                ).caused_by(UpstreamCause.FIRST_BYTE_TIMEOUT)
            )

    def tell_of_growth(self) -> None:
        for tell in self.growth_listeners:
            tell()

    async def stream(self, deliver: Deliver, *, ids: EventIds | None = None) -> None:
        """Give the answer's events to `deliver`, whole events each time, without the last one.

        That is `[DONE]`, or what the wire has in its place. Raises GatewayError when the engine fails, also
        when its stream ends without it.
        """
        reader = self.wire.make_reader(self.transcript, self._keep_usage, ids)

        def take(data: bytes) -> Coroutine[Any, Any, None] | None:
            self._note_data(data)
            return self._pass_on(reader.read(data), deliver)

        async with self._at_engine() as answer:
            try:
                await answer.relay(take)
                if (busy := self._pass_on(reader.finish(), deliver)) is not None:
                    await busy
            except StreamEnded:
                self.ended_at = time.perf_counter()
                self.last_event = reader.last_event
                await _drain(answer)
                return
        raise UpstreamUnavailable("The engine broke off its answer.").caused_by(UpstreamCause.BROKEN_OFF)

    async def read(self) -> bytes:
        """The answer's whole body, for calls that do not stream. Raises GatewayError."""
        pieces: list[bytes] = []
        self._comes_whole = True

        def take(data: bytes) -> None:
            self._note_data(data)
            pieces.append(data)

        async with self._at_engine() as answer:
            await answer.relay(take)
            completion = self._read_whole(b"".join(pieces), answer.content_headers)
            self.transcript.usage = completion.usage
            self.transcript.is_unfinished = completion.is_unfinished
            if completion.text:
                # No prompt: that was a sound.
                self.transcript.prompt_tokens, self._comes_whole = 0, False
                self.transcript.add(Chunk(choices=[Choice(text=completion.text)]))
        return completion.body

    def _read_whole(self, body: bytes, headers: ContentHeaders) -> Completion:
        if headers.is_json or self.wire.read_other is None:
            return self.wire.read_whole(body)
        self.content_headers = headers
        return self.wire.read_other(body, headers)

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
        with admitted:
            async with AsyncExitStack() as opened:
                yield await self._open(admitted, opened)
            call = self._call
            if call is not None and call.choices and (usage := self.transcript.usage) is not None:
                tokens = (usage.completion_tokens or 0) // call.choices
                self._engine.pace.note(tokens, time.monotonic() - self._opened_at)
                self._admission.loads.note_answer(tokens)

    async def _open(self, admitted: AdmittedRequest, opened: AsyncExitStack) -> EngineAnswer:
        """The answer of the engine, or of another one where it did not take the request."""
        while True:
            route = admitted.route
            self.model, self.price = route.model, route.price
            self._opened_at = self._active_at = time.monotonic()
            call = self._make_call(route)
            if self.trace is not None:
                call = trace_call(self.trace, call, route)
            self._call = call
            self.sent_bytes = call.text_bytes
            admitted.carry(call.text_bytes, call.choices, call.max_tokens)
            self.sent_at = time.perf_counter()
            self.engine_request_id = new_engine_request_id()
            answer = self._engine.open(
                route.base_url, call, api_key=route.api_key, request_id=self.engine_request_id
            )
            try:
                return await opened.enter_async_context(answer)
            except GatewayError as exc:
                # Nothing of an answer has come, so the client learns nothing of it.
                if exc.upstream_cause not in NOT_TAKEN or not admitted.move_on():
                    raise
                metrics.REPLICA_FAILURES.labels(route.model, exc.upstream_cause).inc()
                log.warning("replica_failed", engine=route.engine, cause=exc.upstream_cause)

    async def _wait_for_admission(self) -> AdmittedRequest:
        self._ticket = self._admission.enqueue(self._request, self.stop)
        self._announce_deadline()
        began_at = time.perf_counter()
        metrics.WAITING_REQUESTS.inc()
        try:
            return await self._admission.wait_for_admission(self._ticket)
        finally:
            metrics.WAITING_REQUESTS.dec()
            self.waited_s = time.perf_counter() - began_at
            if self.trace is not None:
                self.trace.add_wait(self.waited_s)
            self._ticket = None
            self._announce_deadline()

    def _announce_deadline(self) -> None:
        if self.on_new_deadline is not None:
            self.on_new_deadline()

    def _note_data(self, data: bytes) -> None:
        """Raises UpstreamUnavailable for an answer that exceeds `max_bytes`."""
        self._active_at = time.monotonic()
        if not self._has_data:
            self._has_data = True
            self._announce_deadline()
        self._received_bytes += len(data)
        if self._received_bytes > self._max_bytes:
            raise UpstreamUnavailable(
                fill_in("The engine's answer is longer than {max_bytes} bytes.", max_bytes=self._max_bytes)
            )

    def _pass_on(self, read: StreamRead, deliver: Deliver) -> Coroutine[Any, Any, None] | None:
        """Deliver what was read. Raises what ends the stream, once everything before it is delivered."""
        if self.first_token_at is None and self.transcript.pieces:
            self.first_token_at = time.perf_counter()
        if self.growth_listeners:
            self.tell_of_growth()
        busy = deliver(join_events(read.kept)) if read.kept else None
        if read.ending is None:
            return busy
        if busy is None:
            raise read.ending
        return _raise_after(busy, read.ending)


async def _raise_after(busy: Coroutine[Any, Any, None], ending: GatewayError | type[StreamEnded]) -> None:
    await busy
    raise ending


async def _drain(answer: EngineAnswer) -> None:
    """Read to the end after `[DONE]`, so that the connection can be used again."""
    if answer.is_complete:
        return
    with contextlib.suppress(TimeoutError, UpstreamUnavailable):
        async with asyncio.timeout(DRAIN_S):
            await answer.relay(lambda _rest: None)
