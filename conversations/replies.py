"""The life of an answer's row after its turn began: saved on the way, closed once, swept if orphaned.

Every write is conditional on the row's state, so whoever closes it first wins, with one exception: the
sweeper only infers that an answer's process is dead. If it lives, and was cut off from the database for a
while, its outcome replaces the sweeper's.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from django.db import connection, transaction
from django.db.models import Field
from django.utils import timezone

from conversations.models import Conversation, Message, MessageStatus

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


def save_checkpoints(items: Sequence[Checkpoint]) -> list[None]:
    """Save the text so far of each answer."""
    now = timezone.now()
    _update_rows(
        {
            item.message_id: {
                "content": item.content,
                "reasoning": item.reasoning,
                "lease_expires_at": now + timedelta(seconds=item.lease_s),
            }
            for item in items
        },
        or_interrupted=False,
    )
    return [None] * len(items)


def close_replies(items: Sequence[ReplyOutcome]) -> list[None]:
    """Close each answer. Idempotent: one that is closed stays as it is, unless the sweeper closed it."""
    _update_rows(
        {
            item.message_id: {
                "status": item.status,
                "content": item.content,
                "reasoning": item.reasoning,
                "tool_calls": item.tool_calls,
                "error_code": item.error_code,
                "model": item.model,
                "finish_reason": item.finish_reason,
                "prompt_tokens": item.prompt_tokens,
                "completion_tokens": item.completion_tokens,
                "usage_source": item.usage_source,
                "ttft_ms": item.ttft_ms,
                "latency_ms": item.latency_ms,
                "lease_expires_at": None,
            }
            for item in items
        },
        or_interrupted=True,
    )
    return [None] * len(items)


def _update_rows(rows: dict[uuid.UUID, dict[str, Any]], *, or_interrupted: bool) -> None:
    """Set the same columns of every row by one prepared UPDATE, where the row is still open.

    `executemany` instead of `bulk_update`, which builds a CASE per column and row and took forty times
    the CPU at 20 rows (docs/adr/0003).
    """
    meta = Message._meta
    columns = [cast("Field[Any, Any]", meta.get_field(name)) for name in next(iter(rows.values()))]
    quote = connection.ops.quote_name
    assignments = ", ".join(f"{quote(str(column.column))} = %s" for column in columns)
    is_open = f"{quote('status')} = %s" + (f" OR {quote('error_code')} = %s" if or_interrupted else "")
    sql = f"UPDATE {quote(meta.db_table)} SET {assignments} WHERE {quote('id')} = %s AND ({is_open})"  # noqa: S608
    states = [MessageStatus.STREAMING.value, *([INTERRUPTED] if or_interrupted else [])]
    prepared = [
        [
            *(column.get_db_prep_save(values[column.name], connection) for column in columns),
            meta.pk.get_db_prep_save(message_id, connection),
            *states,
        ]
        for message_id, values in rows.items()
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(sql, prepared)


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
