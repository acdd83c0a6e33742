"""Answers as they are stored, for clients that come back to the stream of one."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from conversations.models import Conversation, Message, MessageRole, MessageStatus


@dataclass(frozen=True)
class AnswerQuery:
    """Names an answer, and the account that asks for it."""

    owner_id: uuid.UUID
    conversation_id: uuid.UUID
    message_id: uuid.UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAnswer:
    """An answer's row: its text so far while it is streaming, all of it afterwards."""

    id: uuid.UUID
    conversation_id: uuid.UUID
    created_at: datetime
    request_id: str
    status: str
    content: str
    reasoning: str
    tool_calls: list[dict[str, Any]] | None
    error_code: str
    error_message: str
    model: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    omitted_messages: int

    @property
    def is_streaming(self) -> bool:
        return self.status == MessageStatus.STREAMING


class AnswerState(NamedTuple):
    """What tells whether there is more to read of an answer that was running."""

    request_id: str
    is_streaming: bool
    size_bytes: int


def find_answer_states(items: Sequence[uuid.UUID]) -> list[AnswerState | None]:
    """The state of each message, None for one that is gone. One query, which reads no text."""
    rows = Message.objects.filter(pk__in=items).values_list("pk", "request_id", "status", "size_bytes")
    found = {
        id_: AnswerState(request_id, status == MessageStatus.STREAMING, size_bytes)
        for id_, request_id, status, size_bytes in rows
    }
    return [found.get(id_) for id_ in items]


def find_stored_answers(items: Sequence[AnswerQuery]) -> list[StoredAnswer | None]:
    """Each answer; None where its account has no such answer. Two queries for all of them."""
    owners = Conversation.objects.filter(
        pk__in={item.conversation_id for item in items},
        owner_id__in={item.owner_id for item in items},
        deleted_at=None,
    )
    owner_of = dict(owners.values_list("pk", "owner_id"))
    wanted = {item.message_id for item in items if owner_of.get(item.conversation_id) == item.owner_id}
    rows = Message.objects.filter(pk__in=wanted, role=MessageRole.ASSISTANT)
    found = {row["id"]: StoredAnswer(**row) for row in rows.values(*StoredAnswer.__dataclass_fields__)}
    return [_of(item, owner_of, found) for item in items]


def _of(
    item: AnswerQuery, owner_of: dict[uuid.UUID, uuid.UUID], found: dict[uuid.UUID, StoredAnswer]
) -> StoredAnswer | None:
    answer = found.get(item.message_id)
    is_theirs = owner_of.get(item.conversation_id) == item.owner_id
    return answer if answer and is_theirs and answer.conversation_id == item.conversation_id else None
