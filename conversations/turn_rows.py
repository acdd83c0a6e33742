"""What a batch of turns writes: its rows, and the one statement that stores them all.

On PostgreSQL the statement is a transaction of its own. It takes a conversation only in the version that the
batch has read, so that reading needs no lock: what went on meanwhile is stale, and its turns begin anew.
"""

from __future__ import annotations

import uuid
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from django.db import IntegrityError, transaction

from conversations.models import Conversation, Message, MessageRole, MessageStatus
from gateway.database.rows import Rows, encode_rows, is_few, is_postgresql, prepared_cursor


@dataclass(slots=True, kw_only=True)
class NewConversation:
    id: uuid.UUID
    owner_id: uuid.UUID
    title: str
    system_prompt: str
    model: str
    head_id: uuid.UUID
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True, kw_only=True)
class TakenConversation:
    """A conversation that goes on, if its version is still the one before `version`."""

    id: uuid.UUID
    head_id: uuid.UUID | None
    model: str
    updated_at: datetime
    version: int


@dataclass(slots=True, kw_only=True)
class NewMessageRow:
    id: uuid.UUID
    conversation_id: uuid.UUID
    owner_id: uuid.UUID
    parent_id: uuid.UUID | None
    role: MessageRole
    created_at: datetime
    request_id: str
    content: str = ""
    parts: list[dict[str, Any]] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str = ""
    status: MessageStatus = MessageStatus.COMPLETE
    model: str = ""
    lease_expires_at: datetime | None = None
    client_message_id: str | None = None
    request_digest: str = ""
    omitted_messages: int = 0


@dataclass(slots=True, kw_only=True)
class ReopenedAnswer:
    """An answer that streams again, if it is still as it was read."""

    id: uuid.UUID
    conversation_id: uuid.UUID
    size_bytes: int
    error_code: str
    finish_reason: str
    request_id: str
    lease_expires_at: datetime
    omitted_messages: int


@dataclass(slots=True)
class TurnRows:
    """All that a batch stores."""

    started: list[NewConversation] = field(default_factory=list)
    taken: dict[uuid.UUID, TakenConversation] = field(default_factory=dict)
    messages: list[NewMessageRow] = field(default_factory=list)
    reopened: list[ReopenedAnswer] = field(default_factory=list)


STARTED = Rows(Conversation, NewConversation)
TAKEN = Rows(Conversation, TakenConversation)
MESSAGES = Rows(Message, NewMessageRow)
REOPENED = Rows(Message, ReopenedAnswer)


class AnswersChanged(IntegrityError):
    """Answers that were to stream again are not what they were when the batch read them."""


def turn_transaction() -> AbstractContextManager[object]:
    """What reading and writing a batch happens in: nothing where `write_turns` is a transaction by itself.

    On SQLite it takes the write lock first, so that nothing can become stale.
    """
    return nullcontext() if is_postgresql() else transaction.atomic()


def write_turns(rows: TurnRows) -> set[uuid.UUID]:
    """Store the rows, except those of conversations that went on meanwhile: the result is these.

    Raises IntegrityError; then nothing at all is stored.
    """
    if not rows.reopened:
        return _write_turns(rows)
    with transaction.atomic():
        stale = _write_turns(rows)
        _reopen([answer for answer in rows.reopened if answer.conversation_id not in stale])
    return stale


def _reopen(answers: list[ReopenedAnswer]) -> None:
    changed = REOPENED.update(
        answers,
        where=f"stored.status <> '{MessageStatus.STREAMING.value}'",
        same=("conversation_id", "size_bytes", "error_code", "finish_reason"),
        constants={
            "status": f"'{MessageStatus.STREAMING.value}'",
            "error_code": "''",
            "error_message": "''",
            "finish_reason": "''",
            "cancel_requested_at": "NULL",
        },
    )
    if changed != len(answers):
        raise AnswersChanged("answers changed since they were read")


def _write_turns(rows: TurnRows) -> set[uuid.UUID]:
    if not rows.messages and not rows.taken:
        return set()
    if not is_postgresql():
        _write_each(rows)
        return set()
    with prepared_cursor() as cursor:
        if not rows.taken:
            cursor.execute(_start_sql(), [encode_rows(rows)])
            return set()
        cursor.execute(
            _turns_sql(),
            [
                encode_rows(
                    {"started": rows.started, "taken": [*rows.taken.values()], "messages": rows.messages}
                )
            ],
        )
        return rows.taken.keys() - {id_ for (id_,) in cursor}


def _write_each(rows: TurnRows) -> None:
    # Conversations point at their head before it is inserted: foreign keys are checked at commit.
    with prepared_cursor() as cursor:
        for table, new in ((STARTED, rows.started), (MESSAGES, rows.messages)):
            if new:
                cursor.executemany(table.insert_values(), [table.values_of(row) for row in new])
    if rows.taken:
        TAKEN.update([*rows.taken.values()], where="TRUE")


@cache
def _start_sql() -> str:
    """Stores turns that start conversations."""
    return f"""
        WITH input AS MATERIALIZED (SELECT %s::json AS rows),
        started AS ({STARTED.insert_select("(SELECT rows->'started' FROM input)")})
        {MESSAGES.insert_select("(SELECT rows->'messages' FROM input)")}
    """  # noqa: S608 - names of our own columns


@cache
def _turns_sql() -> str:
    """Stores any turns; its rows are the ids of the conversations that were taken.

    They are locked in the order of their ids, so that two batches cannot wait for each other.
    """
    messages = MESSAGES.insert_select("(SELECT rows->'messages' FROM input)")
    return f"""
        WITH input AS MATERIALIZED (SELECT %s::json AS rows),
        wanted AS MATERIALIZED (
            SELECT new.* FROM {TAKEN.recordset("(SELECT rows->'taken' FROM input)")} WHERE {is_few("id")}
        ),
        locked AS MATERIALIZED (
            SELECT stored.id FROM {TAKEN.table} AS stored JOIN wanted ON stored.id = wanted.id
            WHERE CASE WHEN wanted.id IS NOT NULL  -- see Rows.update
                THEN stored.version = wanted.version - 1 AND stored.deleted_at IS NULL END
            ORDER BY stored.id FOR UPDATE OF stored
        ),
        taken AS (
            UPDATE {TAKEN.table} AS stored
            SET head_id = wanted.head_id, model = wanted.model, updated_at = wanted.updated_at,
                version = wanted.version
            FROM wanted JOIN locked ON locked.id = wanted.id
            WHERE stored.id = wanted.id
            RETURNING stored.id
        ),
        started AS ({STARTED.insert_select("(SELECT rows->'started' FROM input)")} RETURNING id),
        said AS (
            {messages}
            WHERE new.conversation_id IN (SELECT id FROM taken UNION ALL SELECT id FROM started)
        )
        SELECT id FROM taken
    """  # noqa: S608 - names of our own columns
