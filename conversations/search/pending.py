"""What an account has stored that its index does not have yet, found without reading what it has.

New messages follow the mark, as ids are in the order of time. An answer that went on grew, in a conversation
that was used since. Titles that changed are noted by what changes them (`note_titles`).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django.db import connection

from conversations.models import Conversation, Message, MessageEntry, MessageStatus, TitleEntry
from conversations.places import as_id
from conversations.replies import INTERRUPTED
from gateway.database.rows import is_postgresql
from gateway.ids import first_id_at

INTERRUPTION = timedelta(hours=1)
"""How long an answer whose process seemed dead may still get its end from it."""
LAST_ID = uuid.UUID(int=2**128 - 1)


@dataclass
class Pending:
    """A page of what is to be done for an account."""

    messages: dict[uuid.UUID, int] = field(default_factory=dict)
    """The sizes of messages, in bytes, by their ids."""
    titles: set[uuid.UUID] = field(default_factory=set)
    held_ids: list[uuid.UUID] = field(default_factory=list)
    """Messages that will still change: the mark stays before them."""
    held_moments: list[datetime] = field(default_factory=list)
    last_id: uuid.UUID | None = None
    """Of the messages that this page has looked at, where others may follow."""

    @property
    def is_empty(self) -> bool:
        return not self.messages and not self.titles


def find_pending(
    owner_id: uuid.UUID, *, after: uuid.UUID, touched_since: datetime, most: int, now: datetime
) -> Pending:
    """Of the `most` messages after this one, and of the conversations used since. One statement."""
    pending = Pending()
    parameters: dict[str, Any] = {
        "owner": owner_id.hex,
        "after": after.hex,
        "last": LAST_ID.hex,
        "most": most,
        "most_but_one": most - 1,
        "touched_since": connection.ops.adapt_datetimefield_value(touched_since),
        "interrupted_after": first_id_at(now - INTERRUPTION).hex,
    }
    with connection.cursor() as cursor:
        cursor.execute(_pending_sql(), parameters)
        for kind, id_, conversation_id, size_bytes, is_missing, is_held, used_at in cursor.fetchall():
            if kind == "last":
                pending.last_id = as_id(id_)
            elif kind == "title":
                pending.titles.add(as_id(conversation_id))
            else:
                if is_missing:
                    pending.messages[as_id(id_)] = size_bytes
                    pending.titles |= {as_id(conversation_id)} if kind == "new" else set()
                if is_held and kind == "new":
                    pending.held_ids.append(as_id(id_))
                elif is_held:
                    pending.held_moments.append(_as_moment(used_at))
    return pending


def _as_moment(value: Any) -> datetime:
    moment: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@cache
def _pending_sql() -> str:
    """`LATERAL … LIMIT 1` is a look into the index for each row, however many the planner expects."""
    message, entry = Message._meta.db_table, MessageEntry._meta.db_table
    conversation, title = Conversation._meta.db_table, TitleEntry._meta.db_table
    if is_postgresql():
        id_ = "CAST(%({})s AS uuid)".format
        after, last, owner = id_("after"), id_("last"), id_("owner")
        # Of two columns, the range is one of the index that begins with the owner, and of no other.
        recent = f"(owner_id, id) > ({owner}, {after}) AND (owner_id, id) <= ({owner}, {last})"
        one = f"SELECT * FROM {message} WHERE conversation_id = touched.id AND id <= {after} OFFSET 0"  # noqa: S608
        of_touched = f"CROSS JOIN LATERAL ({one}) AS message"
        look = "LEFT JOIN LATERAL (SELECT * FROM {} WHERE {} = {} LIMIT 1) AS entry ON TRUE".format
    else:
        id_ = "%({})s".format
        recent = "owner_id = %(owner)s AND id > %(after)s AND id <= %(last)s"
        of_conversation = "message.conversation_id = touched.id AND message.id <= %(after)s"
        of_touched = f"CROSS JOIN {message} AS message ON {of_conversation}"
        look = "LEFT JOIN {0} AS entry ON entry.{1} = {2}".format
    streaming = f"message.status = '{MessageStatus.STREAMING.value}'"
    missing = f"(entry.message_id IS NULL OR entry.size_bytes <> message.size_bytes) AND NOT {streaming}"
    held = (
        f"({streaming} OR message.error_code = '{INTERRUPTED}' AND message.id > {id_('interrupted_after')})"
    )
    return f"""
        WITH recent AS MATERIALIZED (
            SELECT id, conversation_id, size_bytes, status, error_code FROM {message}
            WHERE {recent} ORDER BY owner_id, id LIMIT %(most)s
        ),
        touched AS MATERIALIZED (
            SELECT id, updated_at FROM {conversation}
            WHERE owner_id = {id_("owner")} AND is_archived IN (FALSE, TRUE) AND deleted_at IS NULL
                AND updated_at >= %(touched_since)s
        ),
        new AS (
            SELECT message.id, message.conversation_id, message.size_bytes,
                {missing} AS is_missing, {held} AS is_held
            FROM recent AS message {look(entry, "message_id", "message.id")}
        ),
        grown AS (
            SELECT message.id, message.conversation_id, message.size_bytes,
                {missing} AS is_missing, {held} AS is_held, touched.updated_at
            FROM touched {of_touched} {look(entry, "message_id", "message.id")}
            WHERE message.role = 'assistant'
        )
        SELECT 'new' AS kind, id, conversation_id, size_bytes, is_missing, is_held, NULL AS moment
        FROM new WHERE is_missing OR is_held
        UNION ALL
        SELECT 'grown', id, conversation_id, size_bytes, is_missing, is_held, updated_at
        FROM grown WHERE is_missing OR is_held
        UNION ALL
        SELECT 'last', id, conversation_id, 0, FALSE, FALSE, NULL
        FROM (SELECT id, conversation_id FROM recent ORDER BY id LIMIT 1 OFFSET %(most_but_one)s) AS last
        UNION ALL
        SELECT 'title', touched.id, touched.id, 0, TRUE, FALSE, NULL
        FROM touched {look(title, "conversation_id", "touched.id")} WHERE entry.conversation_id IS NULL
        UNION ALL
        SELECT 'title', conversation_id, conversation_id, 0, TRUE, FALSE, NULL FROM {title}
        WHERE owner_id = {id_("owner")} AND is_stale
    """  # noqa: S608 - names of our own columns


def note_titles(conversation_ids: Collection[uuid.UUID]) -> None:
    """Have the next search of their owners read these titles again."""
    owners = Conversation.objects.filter(pk__in=conversation_ids).values_list("pk", "owner_id")
    TitleEntry.objects.bulk_create(
        [TitleEntry(conversation_id=id_, owner_id=owner_id) for id_, owner_id in owners],
        update_conflicts=True,
        unique_fields=["conversation"],
        update_fields=["is_stale"],
    )
