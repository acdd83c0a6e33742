"""The message tree below one message, walked by the database: in one statement, however deep it is."""

from __future__ import annotations

import uuid

from django.db import connection

from conversations.models import Feedback, Message, MessageEntry, MessageStatus, SharedLink
from conversations.places import as_id

TABLE = Message._meta.db_table

BELOW = f"""
    WITH RECURSIVE below (id) AS (
        SELECT id FROM {TABLE} WHERE id = %s
        UNION ALL
        SELECT message.id FROM below JOIN {TABLE} AS message ON message.parent_id = below.id
    )
"""  # noqa: S608 - names of our own columns
"""A message and everything that follows it."""

NEWEST_LEAF = f"""
    WITH RECURSIVE newest (id, depth) AS (
        SELECT id, 0 FROM {TABLE} WHERE id = %s
        UNION ALL
        SELECT (
            SELECT child.id FROM {TABLE} AS child WHERE child.parent_id = newest.id
            ORDER BY child.created_at DESC, child.id DESC LIMIT 1
        ), newest.depth + 1
        FROM newest WHERE newest.id IS NOT NULL
    )
    SELECT id FROM newest WHERE id IS NOT NULL ORDER BY depth DESC LIMIT 1
"""  # noqa: S608 - names of our own columns


def find_newest_leaf(message_id: uuid.UUID) -> uuid.UUID:
    """The end of the branch that follows the newest answer, or edit, each time."""
    with connection.cursor() as cursor:
        cursor.execute(NEWEST_LEAF, [_as_parameter(message_id)])
        (leaf,) = cursor.fetchone()
    return uuid.UUID(str(as_id(leaf)))


def is_at_or_below(message_id: uuid.UUID, top_id: uuid.UUID) -> bool:
    """Whether the message is `top_id`, or follows it."""
    with connection.cursor() as cursor:
        found = f"{BELOW} SELECT 1 FROM below WHERE id = %s"  # noqa: S608 - see BELOW
        cursor.execute(found, [_as_parameter(top_id), _as_parameter(message_id)])
        return cursor.fetchone() is not None


def is_answered_below(top_id: uuid.UUID) -> bool:
    """Whether an answer is streaming at the message or below it."""
    with connection.cursor() as cursor:
        joined = f"{BELOW} SELECT 1 FROM below JOIN {TABLE} AS message ON message.id = below.id"  # noqa: S608
        cursor.execute(
            f"{joined} WHERE message.status = %s LIMIT 1",
            [_as_parameter(top_id), MessageStatus.STREAMING.value],
        )
        return cursor.fetchone() is not None


def count_below(top_id: uuid.UUID) -> int:
    """How many messages `remove_below` would remove."""
    with connection.cursor() as cursor:
        cursor.execute(f"{BELOW} SELECT COUNT(*) FROM below", [_as_parameter(top_id)])  # noqa: S608 - see BELOW
        (count,) = cursor.fetchone()
    return int(count)


def remove_below(top_id: uuid.UUID) -> int:
    """Remove the message and everything that follows it, with feedback and links; the number of messages.

    Django's own cascade would read every message, one query for each level of the tree. To be called in a
    transaction, at whose end the database checks that nothing refers to them any more.
    """
    removed = 0
    with connection.cursor() as cursor:
        for model, column in (
            (Feedback, "message_id"),
            (SharedLink, "head_id"),
            (MessageEntry, "message_id"),
            (Message, "id"),
        ):
            cursor.execute(
                f"DELETE FROM {model._meta.db_table} WHERE {column} IN ({BELOW} SELECT id FROM below)",  # noqa: S608
                [_as_parameter(top_id)],
            )
            removed = cursor.rowcount
    return removed


def _as_parameter(id_: uuid.UUID) -> str:
    """As either database takes it: SQLite keeps ids as texts."""
    return id_.hex
