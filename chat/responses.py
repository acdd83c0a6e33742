"""The responses of chat requests: streamed, collected into one JSON object, or passed through.

All three attend to the client while the generation runs, record and count the outcome, and only then send the
end of the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from accounts.limits.limiter import Admission
from accounts.request_admission import ADMISSION
from chat.accounting import account_for
from chat.client import Client, Headers
from chat.generation import Generation, GenerationStopped
from chat.positions import EventIds
from chat.recording import Recorder, failed_outcome, outcome_of, public_error
from chat.registry import Registry
from chat.spending import spent_by
from chat.tracing import open_trace
from conversations.replies import ReplyOutcome
from gateway import metrics
from gateway.caller_language import translator_for
from gateway.errors import DependencyUnavailable, GatewayError
from gateway.http import SHORT_WAY, header_value

log = structlog.get_logger()

Raised = TypeVar("Raised", bound=BaseException)


class Answer(Response):
    """Generates and sends an answer. The row of a stored one, `message_id`, is closed whatever happens."""

    is_stream = False

    def __init__(
        self,
        generation: Generation,
        *,
        headers: Headers,
        registry: Registry,
        recorder: Recorder | None = None,
        message_id: uuid.UUID | None = None,
        storing: asyncio.Task[None] | None = None,
        on_complete: Callable[[Generation], None] | None = None,
    ) -> None:
        """`storing` writes that row: nothing is sent before it has, and its failure is the answer's.

        `on_complete` is called when all of an answer that did not fail has been sent.
        """
        self.generation = generation
        self.background = None
        self._answer_headers = headers
        self._registry = registry
        self._recorder = recorder
        self._message_id = message_id
        self._storing = storing
        self._on_complete = on_complete
        if storing is not None:
            storing.add_done_callback(self._note_stored)
        self._has_row = False
        self.ended_by: BaseException | None = None
        self._scope: Scope | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        client = Client(
            receive,
            send,
            self._answer_headers,
            is_stream=self.is_stream,
            timeouts=self.generation.timeouts,
            short_way=scope.get(SHORT_WAY),
            storing=self._storing,
        )
        async with self._accounted(scope):
            with self._registry.running(self._message_id, self.generation):
                try:
                    async with client.attended(self.generation):
                        await self.produce(client)
                except (GatewayError, GenerationStopped, asyncio.CancelledError) as exc:
                    self.ended_by = without_frames(exc)
                except Exception as exc:
                    log.exception("generation_failed")
                    self.ended_by = without_frames(exc)
                self._settle(scope)
                await self._record()
            error = public_error(self.ended_by)
            if error is not None and not client.has_started:
                raise error.with_headers(self._headers_of_failure())
            if not client.has_left:
                await self.conclude(client, error)
            if self._on_complete is not None and self.ended_by is None:
                self._on_complete(self.generation)

    async def produce(self, client: Client) -> None:
        """Run the generation, and send what can be sent before it has ended."""
        raise NotImplementedError

    async def conclude(self, client: Client, error: GatewayError | None) -> None:
        """Send the end of the answer, after its outcome is stored."""
        raise NotImplementedError

    def _settle(self, scope: Scope) -> None:
        """Count the tokens that the answer used, and release its lease: the engine has finished."""
        spent = spent_by(self.generation, self.ended_by)
        fields = scope["gateway.log"]
        fields.update(input_tokens=spent.prompt_tokens, output_tokens=spent.completion_tokens)
        if spent.is_estimated:
            fields["estimated_tokens"] = spent.tokens
        admission: Admission | None = scope.get(ADMISSION)
        if admission is not None:
            admission.end(spent)

    def _note_stored(self, storing: asyncio.Task[None]) -> None:
        if not storing.cancelled() and isinstance(failure := storing.exception(), Exception):
            self.generation.stop(without_frames(failure))

    async def _is_stored(self) -> bool:
        """Whether there is a row to close. Where there is none, that is how the answer ended."""
        if self._storing is None:
            return True
        try:
            await asyncio.shield(self._storing)
        except Exception as exc:
            self.ended_by = without_frames(exc)
            return False
        return True

    def _headers_of_failure(self) -> dict[str, str]:
        """Those of the answer, which name the row that tells of the failure; none where there is no row."""
        if not self._has_row:
            return {}
        return {name.decode(): value.decode() for name, value in self._answer_headers}

    def _translator(self) -> Callable[[str], str] | None:
        """Into the language of the client; None for English."""
        return translator_for(header_value(self._scope, b"accept-language") if self._scope else None)

    async def _record(self) -> None:
        if self._recorder is None or self._message_id is None or not await self._is_stored():
            return
        self._has_row = True
        try:
            await self._recorder.close(self._make_outcome(self._message_id))
        except DependencyUnavailable as exc:
            self.ended_by = self.ended_by or exc
        except Exception as exc:
            log.exception("answer_not_recorded", message_id=self._message_id)
            self.ended_by = self.ended_by or exc
            with contextlib.suppress(DependencyUnavailable):
                await self._recorder.close(failed_outcome(self._message_id, self.generation))

    def _make_outcome(self, message_id: uuid.UUID) -> ReplyOutcome:
        translate = self._translator() if self.ended_by is not None else None
        return outcome_of(message_id, self.generation, self.ended_by, translate)

    @asynccontextmanager
    async def _accounted(self, scope: Scope) -> AsyncIterator[None]:
        """Metrics and log fields of the answer, however it ends."""
        metrics.OPEN_GENERATIONS.inc()
        self.generation.trace = open_trace(scope, self.generation)
        try:
            yield
        finally:
            metrics.OPEN_GENERATIONS.dec()
            account_for(scope, self.generation, self.ended_by)


class StreamedAnswer(Answer):
    """Server-sent events: the engine's bytes, with `introduce` applied to the first of them.

    `ids` number the events of an answer that is stored, so that its client can come back to it.
    """

    is_stream = True

    def __init__(
        self,
        generation: Generation,
        *,
        introduce: Callable[[bytes], bytes] | None = None,
        ids: EventIds | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(generation, **kwargs)  # type: ignore[arg-type]
        self._introduce = introduce
        self._ids = ids

    async def produce(self, client: Client) -> None:
        if (introduce := self._introduce) is None:
            await self.generation.stream(client.pass_on)
            return

        def deliver(block: bytes) -> Coroutine[Any, Any, None] | None:
            nonlocal introduce
            if introduce is not None:
                block, introduce = introduce(block), None
            return client.pass_on(block)

        await self.generation.stream(deliver, ids=self._ids)

    async def conclude(self, client: Client, error: GatewayError | None) -> None:
        generation = self.generation
        last = generation.wire.say_error(error, self._translator()) if error else generation.last_event
        await client.deliver(last, is_last=True)


class CollectedAnswer(Answer):
    """One JSON object, made by `render` from the finished answer.

    The engine streams even so: an answer that is cut short or cancelled keeps the text it had.
    """

    def __init__(
        self, generation: Generation, *, render: Callable[[CollectedAnswer], object], **kwargs: object
    ) -> None:
        super().__init__(generation, **kwargs)  # type: ignore[arg-type]
        self._render = render

    async def produce(self, client: Client) -> None:
        await self.generation.stream(lambda _block: None)

    async def conclude(self, client: Client, error: GatewayError | None) -> None:
        await client.answer(msgspec.json.encode(self._render(self)))


class PassedThroughAnswer(Answer):
    """The engine's JSON, byte for byte."""

    body_from_engine: bytes = b""

    async def produce(self, client: Client) -> None:
        self.body_from_engine = await self.generation.read()

    async def conclude(self, client: Client, error: GatewayError | None) -> None:
        await client.answer(self.body_from_engine, content=self.generation.content_headers.to_client())


def without_frames(exc: Raised) -> Raised:
    """The exception without the frames that it came through.

    They hold the answer, which holds the exception: a cycle that would keep the buffers of an answer whose
    reader left until a garbage collection, which `gateway.asgi` makes rare.
    """
    exc.__traceback__ = exc.__context__ = exc.__cause__ = None
    return exc
