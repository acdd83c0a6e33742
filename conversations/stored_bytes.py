"""How much conversations hold, and accounts: text in bytes, with ROW_BYTES more for each row."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from django.db import connection
from django.db.models import Count, Sum

from conversations.models import ROW_BYTES, Conversation, Message, MessageStatus, OctetLength
from gateway.errors import StorageFull


@dataclass
class ConversationFacts:
    """What a turn has to know of a conversation beside its branch."""

    stored_bytes: int = 0
    is_busy: bool = False
    """An answer is streaming."""


def load_facts(conversation_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, ConversationFacts]:
    """By conversation, those without messages left out. One statement, answered from an index alone."""
    if not conversation_ids:
        return {}
    key = Message._meta.pk
    with connection.cursor() as cursor:
        cursor.execute(
            _facts_sql(len(conversation_ids)),
            [
                ROW_BYTES,
                MessageStatus.STREAMING.value,
                *(key.get_db_prep_value(id_, connection) for id_ in conversation_ids),
            ],
        )
        return {
            id_ if isinstance(id_, uuid.UUID) else uuid.UUID(id_): ConversationFacts(int(size), bool(running))
            for id_, size, running in cursor
        }


@cache
def _facts_sql(count: int) -> str:
    table = connection.ops.quote_name(Message._meta.db_table)
    marks = ", ".join(["%s"] * count)
    return f"""
        SELECT conversation_id, SUM(size_bytes) + %s * COUNT(*), SUM(CASE WHEN status = %s THEN 1 ELSE 0 END)
        FROM {table} WHERE conversation_id IN ({marks}) GROUP BY conversation_id
    """  # noqa: S608


def sum_stored_bytes(items: Sequence[uuid.UUID]) -> list[int]:
    """What each of these accounts has stored, deleted conversations included until they are purged."""
    owners = set(items)
    messages = Message.objects.filter(owner_id__in=owners).order_by().values_list("owner_id")
    conversations = Conversation.objects.filter(owner_id__in=owners).order_by().values_list("owner_id")
    stored: dict[uuid.UUID, int] = dict.fromkeys(owners, 0)
    for owner, texts, rows in (
        *messages.annotate(texts=Sum("size_bytes"), rows=Count("pk")),
        *conversations.annotate(texts=Sum(OctetLength("system_prompt")), rows=Count("pk")),
    ):
        stored[owner] += texts + ROW_BYTES * rows
    return [stored[owner] for owner in items]


def check_account(stored_bytes: int, new_bytes: int, limit_bytes: int) -> None:
    """Raises StorageFull when an account would hold more than it may. A limit of 0 is none."""
    if limit_bytes and stored_bytes + new_bytes > limit_bytes:
        raise StorageFull(
            f"Your conversations would hold {stored_bytes + new_bytes} bytes; {limit_bytes} are allowed."
        )
