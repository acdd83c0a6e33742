"""Stored messages that a turn answers once more, or goes on with."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from conversations.models import Message, MessageRole, MessageStatus
from gateway.errors import AnswerNotContinuable

CUT_REASON = "length"
"""The finish_reason of an answer that reached its limit of tokens."""


@dataclass(frozen=True, kw_only=True)
class KnownMessage:
    """A message as it was before the turn."""

    id: uuid.UUID
    conversation_id: uuid.UUID
    parent_id: uuid.UUID | None
    role: str
    status: str
    content: str
    reasoning: str
    error_code: str
    error_message: str
    model: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    usage_source: str
    ttft_ms: int | None
    latency_ms: int | None
    size_bytes: int
    has_tool_calls: bool
    has_children: bool

    @property
    def is_answer(self) -> bool:
        return self.role == MessageRole.ASSISTANT

    def check_continuable(self) -> None:
        """Raises AnswerNotContinuable unless this is an answer with some text that was cut.

        One that the conversation went on after stays as those who read it know it.
        """
        if not self.is_answer:
            raise AnswerNotContinuable("Only an answer can be continued.")
        if self.has_tool_calls:
            raise AnswerNotContinuable("An answer with tool calls cannot be continued.")
        if self.status == MessageStatus.COMPLETE and self.finish_reason != CUT_REASON:
            raise AnswerNotContinuable("The answer is complete.")
        if not self.content:
            raise AnswerNotContinuable("The answer has no text yet that could be continued. Regenerate it.")
        if self.has_children:
            raise AnswerNotContinuable("The conversation went on after this answer.")


def load_known_messages(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, KnownMessage]:
    """The messages that exist, by id. One query, and none for no ids."""
    if not ids:
        return {}
    names = [name for name in KnownMessage.__dataclass_fields__ if not name.startswith("has_")]
    children = Exists(Message.objects.filter(parent_id=OuterRef("pk")))
    rows = Message.objects.filter(pk__in=ids).annotate(has_children=children)
    return {
        row["id"]: KnownMessage(**row, has_tool_calls=bool(tool_calls))
        for row in rows.values(*names, "has_children", "tool_calls")
        for tool_calls in [row.pop("tool_calls")]
    }
