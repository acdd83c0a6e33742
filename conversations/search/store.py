"""Writes entries and their terms.

To be called with the account's mark locked (`conversations.search.refreshing`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest, Least

from conversations.models import Conversation, Message, MessageEntry, SearchBucket, SearchKind, TitleEntry
from conversations.search.terms import TOO_LONG, attribute_terms, make_terms
from gateway.database.rows import encode_rows, is_postgresql, prepared_cursor

BUCKET_ENTRIES = 4096
"""Places of a bucket: a search for a common word reads what one has, one for a rare word looks into each."""
PLACE_BITS = 16
TERMS_TABLE = "conversations_searchterms"
"""On SQLite, the table of FTS5."""


@dataclass(slots=True, kw_only=True)
class IndexedText:
    """A message, or the title of a conversation, to be put into the index."""

    id: uuid.UUID
    conversation_id: uuid.UUID
    created_at: datetime
    text: str
    size_bytes: int = 0
    role: str = ""
    model: str = ""


@dataclass(slots=True)
class _Row:
    """An entry as the statements below take it."""

    id: int
    message_id: str
    conversation_id: str
    created_at: datetime
    size_bytes: int
    terms: str


def write_messages(owner_id: uuid.UUID, texts: Sequence[IndexedText]) -> None:
    """Put these messages into the index, in this order, in place of what it has of them.

    On PostgreSQL those that are being deleted are left out.
    """
    if not texts:
        return
    rows = _rows_of(owner_id, SearchKind.MESSAGES, texts)
    MessageEntry.objects.filter(message__in=[text.id for text in texts]).delete()
    if is_postgresql():
        with prepared_cursor() as cursor:
            cursor.execute(_insert_messages_sql(), [encode_rows(rows)])
        return
    MessageEntry.objects.bulk_create(
        MessageEntry(
            id=row.id,
            message_id=text.id,
            conversation_id=text.conversation_id,
            created_at=row.created_at,
            size_bytes=row.size_bytes,
        )
        for row, text in zip(rows, texts, strict=True)
    )
    _insert_terms(rows)


def add_title_entries(owner_id: uuid.UUID, ids: Sequence[uuid.UUID] | None = None) -> None:
    """Entries to be filled, of these conversations of the account or of all; those that have one keep it.

    Without those that are being removed. Nothing here waits for whoever removes them, as he may wait for us.
    """
    if is_postgresql():
        wanted = None if ids is None else [id_.hex for id_ in ids]
        with connection.cursor() as cursor:
            cursor.execute(_add_titles_sql(of_all=ids is None), {"owner": owner_id.hex, "ids": wanted})
        return
    rows = Conversation.objects.filter(owner_id=owner_id)
    found = (rows if ids is None else rows.filter(pk__in=ids)).values_list("pk", flat=True)
    TitleEntry.objects.bulk_create(
        [TitleEntry(conversation_id=id_, owner_id=owner_id) for id_ in found], ignore_conflicts=True
    )


def write_titles(owner_id: uuid.UUID, texts: Sequence[IndexedText]) -> None:
    """Put these titles into the index; their rows of TitleEntry exist."""
    if not texts:
        return
    rows = _rows_of(owner_id, SearchKind.TITLES, texts)
    if is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute(_update_titles_sql(), [encode_rows(rows)])
        return
    for row, text in zip(rows, texts, strict=True):
        TitleEntry.objects.filter(pk=text.conversation_id).update(
            entry_id=row.id, created_at=row.created_at, is_stale=False
        )
    _insert_terms(rows)


def _rows_of(owner_id: uuid.UUID, kind: SearchKind, texts: Sequence[IndexedText]) -> list[_Row]:
    ids = _give_places(owner_id, kind, [text.created_at for text in texts])
    terms = [make_terms(text.text) for text in texts]
    if long := {id_ >> PLACE_BITS for id_, each in zip(ids, terms, strict=True) if TOO_LONG in each}:
        SearchBucket.objects.filter(pk__in=long).update(has_long=True)
    return [
        _Row(
            id_,
            text.id.hex,
            text.conversation_id.hex,
            text.created_at,
            text.size_bytes,
            _spell(id_ >> PLACE_BITS, text, each),
        )
        for id_, text, each in zip(ids, texts, terms, strict=True)
    ]


def _spell(bucket: int, text: IndexedText, terms: set[str]) -> str:
    """The terms of a text, each with the bucket before it, as both databases read them."""
    if text.role:
        terms |= attribute_terms(role=text.role, model=text.model)
    if not terms:
        return ""
    quote = "'" if is_postgresql() else ""
    return f"{quote}{bucket}{f'{quote} {quote}{bucket}'.join(terms)}{quote}"


def _give_places(owner_id: uuid.UUID, kind: SearchKind, moments: Sequence[datetime]) -> list[int]:
    """New ids of entries, in order."""
    ids: list[int] = []
    bucket = SearchBucket.objects.filter(owner_id=owner_id, kind=kind).order_by("-id").first()
    while left := moments[len(ids) :]:
        if bucket is None or bucket.used >= BUCKET_ENTRIES:
            bucket = SearchBucket.objects.create(
                owner_id=owner_id, kind=kind, oldest_at=left[0], newest_at=left[0]
            )
        taken = left[: BUCKET_ENTRIES - bucket.used]
        ids += [(bucket.pk << PLACE_BITS) + bucket.used + n for n in range(len(taken))]
        SearchBucket.objects.filter(pk=bucket.pk).update(
            used=F("used") + len(taken),
            oldest_at=Least("oldest_at", min(taken)),
            newest_at=Greatest("newest_at", max(taken)),
        )
        bucket.used += len(taken)
    return ids


def _insert_terms(rows: Iterable[_Row]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {TERMS_TABLE} (rowid, terms) VALUES (%s, %s)",  # noqa: S608 - our own name
            [(row.id, row.terms) for row in rows],
        )


RECORDS = (
    "json_to_recordset(%s::json) AS new(id bigint, message_id uuid, conversation_id uuid,"
    " created_at timestamptz, size_bytes integer, terms text)"
)


@cache
def _insert_messages_sql() -> str:
    """The row of a message that is being deleted is locked, and skipped; no other change locks it so."""
    table = Message._meta.db_table
    message = f"SELECT id FROM {table} WHERE id = new.message_id FOR KEY SHARE SKIP LOCKED"  # noqa: S608
    return f"""
        INSERT INTO {MessageEntry._meta.db_table}
            (id, message_id, conversation_id, created_at, size_bytes, terms)
        SELECT new.id, new.message_id, new.conversation_id, new.created_at, new.size_bytes,
            CAST(new.terms AS tsvector)
        FROM {RECORDS} CROSS JOIN LATERAL ({message}) AS message
    """  # noqa: S608 - names of our own columns


@cache
def _add_titles_sql(*, of_all: bool) -> str:
    """Only removals lock a conversation so that it is skipped."""
    wanted = "TRUE" if of_all else "id = ANY(CAST(%(ids)s AS uuid[]))"
    return f"""
        INSERT INTO {TitleEntry._meta.db_table} (conversation_id, owner_id, is_stale)
        SELECT id, owner_id, TRUE FROM {Conversation._meta.db_table}
        WHERE owner_id = CAST(%(owner)s AS uuid) AND {wanted}
        FOR KEY SHARE SKIP LOCKED
        ON CONFLICT DO NOTHING
    """  # noqa: S608 - names of our own columns


@cache
def _update_titles_sql() -> str:
    return f"""
        UPDATE {TitleEntry._meta.db_table} AS entry
        SET entry_id = new.id, created_at = new.created_at, is_stale = FALSE,
            terms = CAST(new.terms AS tsvector)
        FROM {RECORDS} WHERE entry.conversation_id = new.conversation_id
            AND COALESCE(new.id, new.id) = new.id
    """  # noqa: S608 - names of our own columns
