"""Keeping answers: their rows are made before the first token and closed before the last event is sent."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Coroutine
from typing import Any

import structlog

from chat.generation import Generation, GenerationStopped
from conversations.models import MessageStatus, UsageSource
from conversations.replies import (
    CancelRequest,
    Checkpoint,
    Outcome,
    Sweep,
    close_replies,
    find_cancel_requests,
    request_cancels,
    save_checkpoints,
    sweep_orphans,
)
from conversations.turns import NewTurn, Turn, begin_turns
from gateway.batching import BatchWorker
from gateway.errors import DependencyUnavailable, GatewayError, InternalError, ShuttingDown

log = structlog.get_logger()

RETRY_DELAYS_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""A finished answer is worth waiting for a database that restarts."""


class Recorder:
    """Writes turns and answers through the batch worker; one per web process."""

    def __init__(self, worker: BatchWorker, *, lease_s: float) -> None:
        self._worker = worker
        self._lease_s = lease_s
        self._closing: set[asyncio.Task[None]] = set()

    async def begin(self, turn: NewTurn) -> Turn:
        return await self._worker.submit(begin_turns, turn)

    async def close(self, outcome: Outcome) -> None:
        """Put the answer's end on record. Goes on if the caller is cancelled; `settled` waits for it.

        Raises DependencyUnavailable when the database stays away.
        """
        await asyncio.shield(self._keep(self._close(outcome)))

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

    async def _close(self, outcome: Outcome) -> None:
        for delay_s in RETRY_DELAYS_S:
            try:
                await self._worker.submit(close_replies, outcome)
            except DependencyUnavailable:
                log.warning("answer_not_saved_yet", message_id=outcome.message_id, retry_in_s=delay_s)
                await asyncio.sleep(delay_s)
            else:
                return
        await self._worker.submit(close_replies, outcome)

    async def settled(self) -> None:
        """Wait until every answer that was to be closed is."""
        while self._closing:
            await asyncio.wait(set(self._closing))

    async def checkpoint(self, running: dict[uuid.UUID, Generation]) -> None:
        """Save the text so far of these answers."""
        await asyncio.gather(
            *(
                self._worker.submit(
                    save_checkpoints,
                    Checkpoint(
                        message_id=message_id,
                        content=generation.transcript.content,
                        reasoning=generation.transcript.reasoning,
                        lease_s=self._lease_s,
                    ),
                )
                for message_id, generation in running.items()
            )
        )

    async def sweep(self, *, everything: bool = False) -> int:
        """Close answers that a dead process left streaming; answers how many."""
        closed = await self._worker.submit(sweep_orphans, Sweep(everything))
        if closed:
            log.warning("orphaned_answers_closed", count=closed)
        return closed

    async def request_cancel(self, request: CancelRequest) -> str | None:
        """Note the wish to stop an answer; its status, or None where this user has no such answer."""
        return await self._worker.submit(request_cancels, request)

    async def find_cancel_requests(self, message_ids: frozenset[uuid.UUID]) -> set[uuid.UUID]:
        return await self._worker.submit(find_cancel_requests, message_ids)


def public_error(exc: BaseException | None) -> GatewayError | None:
    """What a client is told about the way an answer ended; None for a good end."""
    if exc is None or isinstance(exc, GenerationStopped):
        return None
    if isinstance(exc, GatewayError):
        return exc
    if isinstance(exc, asyncio.CancelledError):
        return ShuttingDown("This gateway process was stopped in the middle of the answer.")
    return InternalError()


def outcome_of(message_id: uuid.UUID, generation: Generation, ended_by: BaseException | None) -> Outcome:
    """The row's last state, with the text so far however the answer ended."""
    transcript = generation.transcript
    error = public_error(ended_by)
    status = MessageStatus.COMPLETE
    if error is not None:
        status = MessageStatus.ERROR
    elif ended_by is not None:
        status = MessageStatus.CANCELLED
    usage = transcript.usage
    return Outcome(
        message_id=message_id,
        status=status,
        content=transcript.content,
        reasoning=transcript.reasoning,
        tool_calls=transcript.tool_calls,
        error_code=error.code if error else "",
        model=generation.model,
        finish_reason=transcript.finish_reason,
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else transcript.pieces,
        usage_source=UsageSource.ENGINE if usage else UsageSource.ESTIMATED,
        ttft_ms=_ms(generation, generation.first_token_at),
        latency_ms=_ms(generation, time.perf_counter()),
    )


def _ms(generation: Generation, moment: float | None) -> int | None:
    return None if moment is None else round((moment - generation.started_at) * 1000)
