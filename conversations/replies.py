"""The life of an answer's row after its turn began: saved on the way, closed once, swept if orphaned.

Every write is conditional on the row's state, so whoever closes it first wins, with one exception: the
sweeper only infers that an answer's process is dead. If it lives, and was cut off from the database for a
while, its outcome replaces the sweeper's.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from conversations.models import Conversation, Message, MessageStatus
from gateway.database.rows import Rows

INTERRUPTED = "interrupted"
"""error_code of an answer whose process died."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The text so far of a running answer; storing it extends the lease."""

    message_id: uuid.UUID
    content: str
    reasoning: str
    lease_s: float


@dataclass(frozen=True, kw_only=True)
class ReplyOutcome:
    """How an answer ended."""

    message_id: uuid.UUID
    status: MessageStatus
    content: str
    reasoning: str = ""
    tool_calls: list[dict[str, Any]] | None = None
    error_code: str = ""
    model: str = ""
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    usage_source: str = ""
    ttft_ms: int | None = None
    latency_ms: int | None = None


@dataclass(slots=True)
class _SavedText:
    id: uuid.UUID
    content: str
    reasoning: str
    lease_expires_at: datetime


SAVED_TEXTS = Rows(Message, _SavedText)
OUTCOMES = Rows(Message, ReplyOutcome, key="message_id")
IS_OPEN = f"stored.status = '{MessageStatus.STREAMING.value}'"


def save_checkpoints(items: Sequence[Checkpoint]) -> list[None]:
    """Save the text so far of each answer."""
    now = timezone.now()
    rows = [
        _SavedText(item.message_id, item.content, item.reasoning, now + timedelta(seconds=item.lease_s))
        for item in items
    ]
    SAVED_TEXTS.update(rows, where=IS_OPEN)
    return [None] * len(items)


def close_replies(items: Sequence[ReplyOutcome]) -> list[None]:
    """Close each answer. Idempotent: one that is closed stays as it is, unless the sweeper closed it."""
    OUTCOMES.update(
        items,
        where=f"{IS_OPEN} OR stored.error_code = '{INTERRUPTED}'",
        constants={"lease_expires_at": "NULL"},
    )
    return [None] * len(items)


@dataclass(frozen=True)
class CancelRequest:
    owner_id: uuid.UUID
    conversation_id: uuid.UUID
    message_id: uuid.UUID


def request_cancels(items: Sequence[CancelRequest]) -> list[str | None]:
    """Note that these answers are to stop; each result is the row's status, None where there is no such row.

    The note outlives a lost signal: a process that missed it finds it with `find_cancel_requests`.
    """
    return [_request_cancel(item) for item in items]


def _request_cancel(item: CancelRequest) -> str | None:
    rows = Message.objects.filter(
        pk=item.message_id,
        conversation_id=item.conversation_id,
        conversation__in=Conversation.objects.visible_to(item.owner_id),
        role="assistant",
    )
    rows.filter(status=MessageStatus.STREAMING, cancel_requested_at=None).update(
        cancel_requested_at=timezone.now()
    )
    return rows.values_list("status", flat=True).first()


def find_cancel_requests(items: Sequence[frozenset[uuid.UUID]]) -> list[set[uuid.UUID]]:
    """The ids of these answers whose owners asked to stop them."""
    return [
        set(
            Message.objects.filter(pk__in=ids, cancel_requested_at__isnull=False).values_list("pk", flat=True)
        )
        for ids in items
    ]


@dataclass(frozen=True)
class Sweep:
    """Which streaming rows to close: those whose lease has run out, or all of them.

    All is right when no other web process exists, as at the start of an embedded gateway.
    """

    everything: bool = False


def sweep_orphans(items: Sequence[Sweep]) -> list[int]:
    """Close answers whose process is gone, keeping their text; each result is how many were closed."""
    return [_sweep(item) for item in items]


def _sweep(item: Sweep) -> int:
    rows = Message.objects.filter(status=MessageStatus.STREAMING)
    if not item.everything:
        rows = rows.filter(lease_expires_at__lt=timezone.now())
    return rows.update(status=MessageStatus.ERROR, error_code=INTERRUPTED, lease_expires_at=None)
