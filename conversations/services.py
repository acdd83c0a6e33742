"""Writes on conversations, for the REST views."""

from __future__ import annotations

import uuid

from conversations.models import ROW_BYTES, Conversation, TitleSource
from conversations.prompt_sizes import count_bytes
from conversations.stored_bytes import check_account, sum_stored_bytes
from gateway.conf import get_config


def create_conversation(
    *, owner_id: uuid.UUID, title: str = "", system_prompt: str = "", model: str = ""
) -> Conversation:
    """An empty conversation. Raises StorageFull when the account holds as much as it may."""
    new_bytes = ROW_BYTES + count_bytes(system_prompt)
    (stored_bytes,) = sum_stored_bytes([owner_id])
    check_account(stored_bytes, new_bytes, get_config().max_account_bytes)
    return Conversation.objects.create(
        owner_id=owner_id,
        title=title,
        title_source=TitleSource.USER if title else TitleSource.FIRST_MESSAGE,
        system_prompt=system_prompt,
        model=model,
    )
