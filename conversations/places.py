"""Conversations as a turn needs them: light rows instead of model instances."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from conversations.models import ROW_BYTES, Conversation, Message, MessageStatus
from gateway.database.rows import from_ids, id_list, prepared_cursor


@dataclass(slots=True)
class Place:
    """A conversation, as far as a batch of turns knows it."""

    id: uuid.UUID
    owner_id: uuid.UUID
    is_deleted: bool = False
    head_id: uuid.UUID | None = None
    system_prompt: str = ""
    version: int = 1
    stored_bytes: int = 0
    """The text of its messages, with ROW_BYTES for each."""
    is_busy: bool = False
    """An answer is streaming."""


def load_places(conversation_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Place]:
    """The conversations that exist, by id. One statement; what they hold is answered from an index alone."""
    if not conversation_ids:
        return {}
    with prepared_cursor() as cursor:
        cursor.execute(_places_sql(), [id_list(conversation_ids)])
        places = [
            Place(
                id=as_id(id_),
                owner_id=as_id(owner_id),
                is_deleted=bool(is_deleted),
                head_id=as_id(head_id),
                system_prompt=system_prompt,
                version=version,
                stored_bytes=int(stored_bytes),
                is_busy=bool(is_busy),
            )
            for id_, owner_id, is_deleted, head_id, system_prompt, version, stored_bytes, is_busy in cursor
        ]
    return {place.id: place for place in places}


def as_id(value: Any) -> Any:
    """What a driver reads from a UUID's column as a UUID; None stays None."""
    return uuid.UUID(value) if isinstance(value, str) else value


@cache
def _places_sql() -> str:
    of_conversation = f"FROM {Message._meta.db_table} AS message WHERE message.conversation_id = place.id"
    return f"""
        SELECT place.id, place.owner_id, place.deleted_at IS NOT NULL, place.head_id, place.system_prompt,
               place.version,
               (SELECT COALESCE(SUM(message.size_bytes), 0) + {ROW_BYTES} * COUNT(*) {of_conversation}),
               EXISTS (SELECT 1 {of_conversation} AND message.status = '{MessageStatus.STREAMING.value}')
        FROM {from_ids(Conversation._meta.db_table, "place")}
    """  # noqa: S608 - names of our own columns
