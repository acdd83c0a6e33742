"""Answers to OpenAI's responses that are stored: closed in the database before the client gets the end."""

from __future__ import annotations

import time
import uuid
from typing import Any

import msgspec
import structlog

from chat.client import Client
from chat.generation import GenerationStopped
from chat.recording import Recorder, public_error
from chat.response_wire import ResponseRecord
from chat.responses import Answer, PassedThroughAnswer, StreamedAnswer, without_frames
from conversations.models import ResponseStatus
from conversations.response_ids import name_response
from conversations.stored_responses import ResponseOutcome
from gateway.errors import DependencyUnavailable, GatewayError, describe_error

log = structlog.get_logger()


class StoredResponseAnswer(Answer):
    """What a stored response's answers share, streamed or not."""

    def __init__(
        self, *args: Any, record: ResponseRecord, recorder: Recorder, input_bytes: int, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs, recorder=recorder, message_id=record.id)
        self.record = record
        self._response_recorder = recorder
        self._input_bytes = input_bytes

    async def _record(self) -> None:
        try:
            await self._response_recorder.close_response(self._close())
        except DependencyUnavailable as exc:
            self.ended_by = self.ended_by or exc
        except Exception as exc:
            log.exception("answer_not_recorded", response_id=self.record.id)
            self.ended_by = self.ended_by or without_frames(exc)

    def _close(self) -> ResponseOutcome:
        record, ended_by = self.record, self.ended_by
        if ended_by is not None and record.response:
            is_stopped = isinstance(ended_by, GenerationStopped)
            status = ResponseStatus.CANCELLED if is_stopped else ResponseStatus.FAILED
            record.cut(status, self._describe(public_error(ended_by)))
        answer = msgspec.json.encode(record.response) if record.response else b""
        return ResponseOutcome(
            id=record.id,
            status=record.status if record.response else ResponseStatus.FAILED,
            model=self.generation.model,
            answer=answer.decode(),
            size_bytes=self._input_bytes + len(answer),
        )

    def _describe(self, error: GatewayError | None) -> dict[str, str] | None:
        if error is None:
            return None
        return {"code": error.code, "message": describe_error(error, self._translator())[0]}


class StreamedResponse(StoredResponseAnswer, StreamedAnswer):
    async def conclude(self, client: Client, error: GatewayError | None) -> None:
        if error is None and self.ended_by is not None and self.record.response:
            # Somebody cancelled it elsewhere: this client is still there, and must not take it for complete.
            await client.deliver(self.record.say_cut(), is_last=True)
        else:
            await super().conclude(client, error)


class WholeResponse(StoredResponseAnswer, PassedThroughAnswer):
    """One that is cut before it is whole was never heard of, so nothing of it stays."""


def begin_object(record: ResponseRecord, *, model: str) -> dict[str, Any]:
    """What is told of a response until the engine has described it."""
    return {
        "id": name_response(record.id),
        "object": "response",
        "created_at": int(time.time()),
        "status": str(ResponseStatus.IN_PROGRESS),
        "model": model,
        "output": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": None,
        "parallel_tool_calls": True,
        "previous_response_id": name_of(record.previous_id),
        "store": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }


def name_of(response_id: uuid.UUID | None) -> str | None:
    return name_response(response_id) if response_id else None
