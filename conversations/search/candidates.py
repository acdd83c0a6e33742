"""Which entries may be what a search asks for, newest first: bucket by bucket, until there are enough.

What is common is found in the newest bucket. What is rare is looked for in every bucket of the account, which
is a look into the index each. So what a search costs does not grow with what others have stored, and hardly
with what its owner has.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import Any

from django.db import connection, transaction

from conversations.models import Conversation, MessageEntry, SearchBucket, SearchKind, TitleEntry
from conversations.places import as_id
from conversations.search.queries import BUCKET, SearchQuery
from conversations.search.store import PLACE_BITS, TERMS_TABLE
from gateway.database.rows import is_postgresql

MOST_LOOKED_AT = 5_000
"""Entries of one search, where those it finds are in the trash."""
FIRST_MOMENT, LAST_MOMENT = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SearchCandidate:
    entry_id: int
    id: uuid.UUID
    """Of the message, or of the conversation of a title."""
    size_bytes: int
    """Of the message as it was indexed; of a title, 0."""


@dataclass(frozen=True)
class SearchCandidates:
    found: list[SearchCandidate]
    looked_to: int | None = None
    """The entry at which the search ended, where MOST_LOOKED_AT were no reason to show enough."""


def find_candidates(
    query: SearchQuery, kind: SearchKind, *, before: int | None, most: int
) -> SearchCandidates:
    """Entries of conversations that are not in the trash, of those before this one; newest first."""
    rows = (_find_by_gin if is_postgresql() else _find_by_fts5)(query, kind, before, most)
    found: list[SearchCandidate] = []
    for entry_id, id_, size_bytes, is_shown, number in rows:
        if is_shown:
            found.append(SearchCandidate(entry_id, as_id(id_), size_bytes))
        if number >= MOST_LOOKED_AT and len(found) < most:
            return SearchCandidates(found, looked_to=entry_id)
        if len(found) == most:
            break
    return SearchCandidates(found)


_Row = tuple[int, Any, int, bool, int]
"""Entry, message or conversation, size, whether it may be shown, how many entries were looked at so far."""


def _find_by_gin(query: SearchQuery, kind: SearchKind, before: int | None, most: int) -> Iterator[_Row]:
    top, since, until = _bounds(query, before)
    parameters: list[Any] = [query.owner_id.hex, kind.value, top >> PLACE_BITS, since, until]
    parameters += [
        query.tsquery(with_long=True),
        query.tsquery(with_long=False),
        top,
        since,
        until,
        MOST_LOOKED_AT,
        MOST_LOOKED_AT,
        most,
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        # It would read a small table as a whole, and compile a plan for many buckets.
        cursor.execute("SELECT set_config('enable_seqscan', 'off', TRUE), set_config('jit', 'off', TRUE)")
        cursor.execute(_gin_sql(kind), parameters)
        yield from cursor.fetchall()


def _find_by_fts5(query: SearchQuery, kind: SearchKind, before: int | None, most: int) -> Iterator[_Row]:
    """One statement for each bucket: SQLite has no LATERAL, and joined it would read all before it sorts."""
    top, since, until = _bounds(query, before)
    buckets = SearchBucket.objects.filter(
        owner_id=query.owner_id, kind=kind, pk__lte=top >> PLACE_BITS
    ).filter(newest_at__gte=since, oldest_at__lt=until)
    number = 0
    for bucket, has_long in buckets.order_by("-pk").values_list("pk", "has_long"):
        terms = query.fts5(with_long=has_long).replace(BUCKET, str(bucket))
        moments = [connection.ops.adapt_datetimefield_value(moment) for moment in (since, until)]
        with connection.cursor() as cursor:
            cursor.execute(_fts5_sql(kind), [terms, top, *moments])
            for entry_id, id_, size_bytes, is_shown in islice(cursor, MOST_LOOKED_AT - number):
                number += 1
                yield entry_id, id_, size_bytes, bool(is_shown), number
        if number >= MOST_LOOKED_AT:
            return


def _bounds(query: SearchQuery, before: int | None) -> tuple[int, datetime, datetime]:
    top = 2**62 if before is None else before
    return top, query.filters.since or FIRST_MOMENT, query.filters.until or LAST_MOMENT


def _columns(kind: SearchKind) -> tuple[str, str, str, str]:
    """The table of the entries, and its columns: the entry's id, what it is of, and the size of that."""
    if kind == SearchKind.MESSAGES:
        return MessageEntry._meta.db_table, "id", "message_id", "size_bytes"
    return TitleEntry._meta.db_table, "entry_id", "conversation_id", "0"


@cache
def _gin_sql(kind: SearchKind) -> str:
    """Each LIMIT and `+ 0` leave the planner one way: from bucket to bucket, each by the index of the terms.

    The rows of an inner query come in its order, as all joins with it are LATERAL.
    """
    table, entry_id, id_, size = _columns(kind)
    return f"""
        SELECT entry_id, id, size_bytes, is_shown, number FROM (
            SELECT entry.entry_id, entry.id, entry.size_bytes, shown.is_shown, ROW_NUMBER() OVER () AS number
            FROM (
                SELECT entry.entry_id, entry.id, entry.conversation_id, entry.size_bytes
                FROM (
                    SELECT id, has_long FROM {SearchBucket._meta.db_table}
                    WHERE owner_id = %s AND kind = %s AND id <= %s AND newest_at >= %s AND oldest_at < %s
                    ORDER BY id DESC
                ) AS bucket
                CROSS JOIN LATERAL (
                    SELECT {entry_id} AS entry_id, {id_} AS id, conversation_id, {size} AS size_bytes
                    FROM {table}
                    WHERE terms @@ CAST(REPLACE(
                            CASE WHEN bucket.has_long THEN %s ELSE %s END, '{BUCKET}', CAST(bucket.id AS text)
                        ) AS tsquery)
                        AND {entry_id} + 0 < %s AND created_at >= %s AND created_at < %s
                    ORDER BY {entry_id} + 0 DESC
                ) AS entry
                LIMIT %s
            ) AS entry
            LEFT JOIN LATERAL (
                SELECT TRUE AS is_shown FROM {Conversation._meta.db_table} AS conversation
                WHERE conversation.id = entry.conversation_id AND conversation.deleted_at IS NULL LIMIT 1
            ) AS shown ON TRUE
        ) AS entry
        WHERE is_shown OR number = %s
        LIMIT %s
    """  # noqa: S608 - names of our own columns


@cache
def _fts5_sql(kind: SearchKind) -> str:
    table, entry_id, id_, size = _columns(kind)
    return f"""
        SELECT entry.{entry_id}, entry.{id_}, {size}, conversation.deleted_at IS NULL
        FROM {TERMS_TABLE} AS terms
        CROSS JOIN {table} AS entry ON entry.{entry_id} = terms.rowid
        CROSS JOIN {Conversation._meta.db_table} AS conversation ON conversation.id = entry.conversation_id
        WHERE {TERMS_TABLE} MATCH %s AND terms.rowid < %s
            AND entry.created_at >= %s AND entry.created_at < %s
        ORDER BY terms.rowid DESC
    """  # noqa: S608 - names of our own columns
