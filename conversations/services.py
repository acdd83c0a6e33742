"""Writes on conversations, for the REST views."""

from __future__ import annotations

import uuid

from conversations.models import Conversation


def create_conversation(
    *, owner_id: uuid.UUID, title: str = "", system_prompt: str = "", model: str = ""
) -> Conversation:
    """An empty conversation."""
    return Conversation.objects.create(
        owner_id=owner_id, title=title, system_prompt=system_prompt, model=model
    )
