"""Stores answers, whose rows `chat.turn_recording` made: as they grow, and closed before the last event."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

from chat.continuation import add_up, outcome_before
from chat.generation import Generation, GenerationStopped
from conversations.models import MAX_FINISH_REASON, MessageStatus, StoredResponse, UsageSource
from conversations.replies import (
    CancelRequest,
    Checkpoint,
    ReplyOutcome,
    Sweep,
    close_replies,
    find_cancel_requests,
    find_removed,
    request_cancels,
    save_checkpoints,
    sweep_orphans,
)
from conversations.stored_responses import (
    ResponseKey,
    ResponseOutcome,
    cancel_responses,
    close_responses,
    find_ended,
)
from gateway.batching import BatchWorker, Handler
from gateway.errors import (
    DependencyUnavailable,
    GatewayError,
    InternalError,
    ShuttingDown,
    describe_error,
)

log = structlog.get_logger()

Outcome = TypeVar("Outcome", ReplyOutcome, ResponseOutcome)

MAX_COUNT = 2**31

RETRY_DELAYS_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Long enough for a database to restart before a finished answer is given up."""


class Recorder:
    """Writes answers through the batch worker; one per web process."""

    def __init__(self, worker: BatchWorker, *, lease_s: float) -> None:
        self._worker = worker
        self._lease_s = lease_s
        self._closing: set[asyncio.Task[None]] = set()

    def close(self, outcome: ReplyOutcome) -> Coroutine[Any, Any, None]:
        """Store the outcome of an answer. Continues if the caller is cancelled; `settled` waits for it.

        Raises DependencyUnavailable when the database does not answer for the worker's time-out, as a client
        waits for this; the retries go on, too.
        """
        return self._finish(self._close(close_replies, outcome, outcome.message_id))

    def close_response(self, outcome: ResponseOutcome) -> Coroutine[Any, Any, None]:
        """Store the outcome of a stored response, in the same way."""
        return self._finish(self._close(close_responses, outcome, outcome.id))

    async def _finish(self, closing: Coroutine[Any, Any, None]) -> None:
        work = self._keep(closing)
        try:
            async with asyncio.timeout(self._worker.timeout_s):
                await asyncio.shield(work)
        except TimeoutError as exc:
            work.add_done_callback(_note_late_end)
            raise DependencyUnavailable("The answer is not saved yet: the database does not answer.") from exc

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

    async def _close(self, close: Handler[Outcome, None], outcome: Outcome, row_id: uuid.UUID) -> None:
        for delay_s in RETRY_DELAYS_S:
            try:
                await self._worker.submit(close, outcome)
            except DependencyUnavailable:
                log.warning("answer_not_saved_yet", message_id=row_id, retry_in_s=delay_s)
                await asyncio.sleep(delay_s)
            else:
                return
        await self._worker.submit(close, outcome)

    async def settled(self) -> None:
        """Wait until the outcomes of all answers are stored."""
        while self._closing:
            await asyncio.wait(set(self._closing))

    async def checkpoint(self, running: dict[uuid.UUID, Generation]) -> None:
        """Store the text so far of these answers."""
        outcomes = await asyncio.gather(
            *(
                self._worker.submit(
                    save_checkpoints,
                    Checkpoint(
                        message_id=message_id,
                        request_id=generation.request_id,
                        content=storable_text(generation.transcript.content),
                        reasoning=storable_text(generation.transcript.reasoning),
                        lease_s=self._lease_s,
                    ),
                )
                for message_id, generation in running.items()
            ),
            return_exceptions=True,
        )
        for message_id, outcome in zip(running, outcomes, strict=True):
            if isinstance(outcome, Exception):
                log.warning("answer_not_saved_yet", message_id=message_id, error=type(outcome).__name__)

    async def sweep(self, *, everything: bool = False) -> int:
        """Close answers whose process died; returns how many."""
        closed = await self._worker.submit(sweep_orphans, Sweep(everything))
        if closed:
            log.warning("orphaned_answers_closed", count=closed)
        return closed

    async def request_cancel(self, request: CancelRequest) -> str | None:
        """Store that an answer is to stop; its status, or None where this user has no such answer."""
        return await self._worker.submit(request_cancels, request)

    async def cancel_response(self, key: ResponseKey) -> StoredResponse:
        """End a stored response; its row, as it is by then. Raises NotFound."""
        row: StoredResponse = await self._worker.submit(cancel_responses, key)
        return row

    async def find_ended_responses(self, ids: frozenset[uuid.UUID]) -> set[uuid.UUID]:
        return await self._worker.submit(find_ended, ids)

    async def find_cancel_requests(self, message_ids: frozenset[uuid.UUID]) -> set[uuid.UUID]:
        return await self._worker.submit(find_cancel_requests, message_ids)

    async def find_removed(self, message_ids: frozenset[uuid.UUID]) -> set[uuid.UUID]:
        return await self._worker.submit(find_removed, message_ids)


def _note_late_end(work: asyncio.Task[None]) -> None:
    """Log how a write ended that nobody waits for any more."""
    if work.cancelled():
        return
    if (failure := work.exception()) is not None:
        log.error("answer_not_recorded", error=type(failure).__name__)


def public_error(exc: BaseException | None) -> GatewayError | None:
    """The error for the client of an answer that ended with `exc`; None when it did not fail."""
    if exc is None or isinstance(exc, GenerationStopped):
        return None
    if isinstance(exc, GatewayError):
        return exc
    if isinstance(exc, asyncio.CancelledError):
        return ShuttingDown("This gateway process was stopped in the middle of the answer.")
    return InternalError()


def outcome_of(
    message_id: uuid.UUID,
    generation: Generation,
    ended_by: BaseException | None,
    translate: Callable[[str], str] | None = None,
) -> ReplyOutcome:
    """The final state of the answer's row, with the text that was received however the answer ended.

    Why it failed is said in the language of `translate`, as its client is told.
    """
    transcript = generation.transcript
    error = public_error(ended_by)
    status = MessageStatus.COMPLETE
    if error is not None:
        status = MessageStatus.ERROR
    elif ended_by is not None:
        status = MessageStatus.CANCELLED
    usage = transcript.usage
    outcome = ReplyOutcome(
        message_id=message_id,
        request_id=generation.request_id,
        status=status,
        content=storable_text(transcript.content),
        reasoning=storable_text(transcript.reasoning),
        tool_calls=_storable_calls(transcript.tool_calls),
        error_code=error.code if error else "",
        error_message=storable_text(describe_error(error, translate)[0]) if error else "",
        model=generation.model,
        finish_reason=storable_text(transcript.finish_reason)[:MAX_FINISH_REASON],
        prompt_tokens=_storable_count(usage.prompt_tokens) if usage else None,
        completion_tokens=_storable_count(usage.completion_tokens) if usage else transcript.pieces,
        usage_source=UsageSource.ENGINE if usage else UsageSource.ESTIMATED,
        ttft_ms=_ms(generation, generation.first_token_at),
        latency_ms=_ms(generation, time.perf_counter()),
    )
    if generation.continued is None:
        return outcome
    if ended_by is not None and not transcript.pieces:
        return outcome_before(generation.continued, request_id=generation.request_id)
    return add_up(generation.continued, outcome)


def failed_outcome(message_id: uuid.UUID, generation: Generation) -> ReplyOutcome:
    """The outcome of an answer whose full outcome could not be stored: its text alone."""
    return ReplyOutcome(
        message_id=message_id,
        request_id=generation.request_id,
        status=MessageStatus.ERROR,
        content=storable_text(generation.transcript.content),
        error_code=InternalError.code,
        error_message=InternalError.default_message,
        model=generation.model,
    )


def storable_text(text: str) -> str:
    """`text` without NUL characters, which an engine may produce and PostgreSQL cannot store."""
    return text.replace("\0", "\ufffd")


def _storable_calls(calls: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    if calls is None:
        return None
    return [
        {
            **call,
            "id": storable_text(str(call["id"])),
            "function": {name: storable_text(str(value)) for name, value in call["function"].items()},
        }
        for call in calls
    ]


def _storable_count(tokens: int | None) -> int | None:
    """The engine's count, if the column can store it."""
    return tokens if tokens is not None and 0 <= tokens < MAX_COUNT else None


def _ms(generation: Generation, moment: float | None) -> int | None:
    return None if moment is None else round((moment - generation.started_at) * 1000)
