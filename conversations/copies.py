"""Copies of conversations: one branch, in rows of its own that the database copies by itself."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cache

from django.db import connection, transaction

from conversations.models import ROW_BYTES, Conversation, Message, MessageStatus
from conversations.prompt_sizes import MOST_MESSAGES, count_bytes
from conversations.services import lock_conversation
from conversations.stored_bytes import check_space
from gateway.conf import get_config
from gateway.database.rows import encode_rows, is_postgresql, join, octets
from gateway.errors import ConversationFull, NotFound
from gateway.ids import new_id
from gateway.wording import fill_in

COPIED_AS = {
    "id": "pair.new_id",
    "parent_id": "pair.new_parent_id",
    # An answer that is still running is copied as far as it is stored, as one that was stopped.
    "status": f"CASE WHEN stored.status = '{MessageStatus.STREAMING.value}'"
    f" THEN '{MessageStatus.CANCELLED.value}' ELSE stored.status END",
    "lease_expires_at": "NULL",
    "cancel_requested_at": "NULL",
    "client_message_id": "NULL",
    "request_digest": "''",
}
"""Columns whose value is not that of the message that is copied, in SQL."""


@dataclass(frozen=True)
class _Branch:
    ids: list[str]
    """Root first, as the database spells them."""
    size_bytes: int
    is_whole: bool


def duplicate_conversation(
    *, owner_id: uuid.UUID, conversation_id: uuid.UUID, message_id: uuid.UUID | None = None
) -> Conversation:
    """A new conversation with a copy of the active branch, or of the branch that ends in `message_id`.

    It has title, prompt, model and folder of the old one, and is the one used last. Feedback and links are
    not copied. Raises NotFound, StorageFull when it is more than the account may hold, and ConversationFull
    for a branch of more messages than are ever loaded.
    """
    with transaction.atomic():
        source = lock_conversation(owner_id=owner_id, conversation_id=conversation_id)
        branch = _find_branch(source, message_id or source.head_id)
        if message_id and not branch.ids:
            raise NotFound("There is no such message.", param="message_id")
        if not branch.is_whole:
            raise ConversationFull(
                fill_in("Branches of more than {most} messages are not copied.", most=MOST_MESSAGES)
            )
        new_bytes = branch.size_bytes + count_bytes(source.system_prompt) + ROW_BYTES * (len(branch.ids) + 1)
        check_space(owner_id, new_bytes, get_config().max_account_bytes)
        return _copy(source, branch)


def _copy(source: Conversation, branch: _Branch) -> Conversation:
    new_ids = [new_id() for _ in branch.ids]
    # The head is inserted after what points to it: foreign keys are checked at commit.
    copy = Conversation.objects.create(
        owner_id=source.owner_id,
        folder_id=source.folder_id,
        title=source.title,
        title_source=source.title_source,
        system_prompt=source.system_prompt,
        model=source.model,
        head_id=new_ids[-1] if new_ids else None,
    )
    pairs = [
        {"old_id": old, "new_id": new.hex, "new_parent_id": parent.hex if parent else None}
        for old, new, parent in zip(branch.ids, new_ids, [None, *new_ids], strict=False)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_copy_sql(), [copy.id.hex, encode_rows(pairs)])
    return copy


def _find_branch(conversation: Conversation, end_id: uuid.UUID | None) -> _Branch:
    """The ids of the branch to a message of this conversation; none where there is no such message."""
    if end_id is None:
        return _Branch([], 0, is_whole=True)
    with connection.cursor() as cursor:
        cursor.execute(_branch_sql(), [end_id.hex, conversation.id.hex, MOST_MESSAGES])
        rows = list(cursor)
    return _Branch(
        [id_ for id_, _size, _is_root in rows],
        sum(size for _id, size, _is_root in rows),
        is_whole=all(is_root for _id, _size, is_root in rows[:1]),
    )


@cache
def _branch_sql() -> str:
    """From the end to the root, one look into the index for each message; see `conversations.branches`."""
    table, kind = Message._meta.db_table, _type_of_ids()
    calls = octets("CAST(message.tool_calls AS text)")
    size = f"message.size_bytes + COALESCE({calls}, 0)"
    return f"""
        WITH RECURSIVE branch (id, parent_id, size_bytes, depth) AS (
            SELECT message.id, message.parent_id, {size}, 1 FROM {table} AS message
            WHERE message.id = CAST(%s AS {kind}) AND message.conversation_id = CAST(%s AS {kind})
            UNION ALL
            SELECT message.id, message.parent_id, {size}, branch.depth + 1
            FROM branch {join(table, "message", "branch.parent_id")} WHERE branch.depth < %s
        )
        SELECT CAST(id AS text), size_bytes, parent_id IS NULL FROM branch ORDER BY depth DESC
    """  # noqa: S608 - names of our own columns


@cache
def _copy_sql() -> str:
    """The INSERT of all copies: every column that messages have, but those of COPIED_AS."""
    table, kind = Message._meta.db_table, _type_of_ids()
    columns = [str(field.column) for field in Message._meta.concrete_fields if not field.generated]
    values = {"conversation_id": f"CAST(%s AS {kind})"} | COPIED_AS
    # The parameter of the conversation has to stand before that of the pairs.
    taken = ", ".join(values.get(column, f"stored.{column}") for column in columns)
    if is_postgresql():
        source = (
            "json_to_recordset(%s::json) AS pair(old_id uuid, new_id uuid, new_parent_id uuid)"
            f" {join(table, 'stored', 'pair.old_id')}"
        )
    else:
        names = ("old_id", "new_id", "new_parent_id")
        pair = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in names)
        source = (
            f"(SELECT {pair} FROM json_each(%s)) AS pair"  # noqa: S608 - names of our own
            f" {join(table, 'stored', 'pair.old_id')}"
        )
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {taken} FROM {source}"  # noqa: S608


def _type_of_ids() -> str:
    return str(Message._meta.pk.db_type(connection))
