"""Reads on conversations, in a constant number of queries each."""

from __future__ import annotations

import uuid

from conversations.branches import active_branch
from conversations.models import Conversation, Message
from gateway.errors import InvalidRequest, NotFound


def list_conversations(
    *,
    user_id: uuid.UUID,
    limit: int,
    archived: bool = False,
    after: uuid.UUID | None = None,
    q: str = "",
) -> tuple[list[Conversation], bool]:
    """A page of the user's conversations, newest first, and whether more follow.

    `after` is the last id of the page before. Raises InvalidRequest when it names no conversation of
    this user.
    """
    rows = Conversation.objects.visible_to(user_id).filter(is_archived=archived)
    if q:
        rows = rows.filter(title__icontains=q)
    if after:
        cursor = Conversation.objects.filter(owner_id=user_id, pk=after).first()
        if cursor is None:
            raise InvalidRequest("The cursor names none of your conversations.", param="after")
        rows = rows.after(cursor)
    page = list(rows.order_by("-updated_at", "-id")[: limit + 1])
    return page[:limit], len(page) > limit


def get_conversation(*, user_id: uuid.UUID, conversation_id: uuid.UUID) -> Conversation:
    """Raises NotFound for a missing conversation and for somebody else's alike."""
    conversation = Conversation.objects.visible_to(user_id).filter(pk=conversation_id).first()
    if conversation is None:
        raise NotFound("There is no such conversation.")
    return conversation


def load_active_branch(conversation: Conversation) -> list[Message]:
    """The path from the first message to the conversation's head."""
    messages = {m.id: m for m in Message.objects.filter(conversation=conversation)}
    return active_branch(messages, conversation.head_id)
