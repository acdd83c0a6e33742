"""Conversations to try changes of their trees on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, Message
from conversations.tests.rest import add
from gateway.ids import new_id


def say(
    conversation: Conversation, parent: Message | None, role: str, content: str, **columns: Any
) -> Message:
    """A message that the active branch then ends in."""
    message = Message.objects.create(
        conversation=conversation,
        owner_id=conversation.owner_id,
        parent=parent,
        role=role,
        content=content,
        **columns,
    )
    conversation.head = message
    conversation.save(update_fields=["head"])
    return message


def start_streaming(conversation: Conversation, parent: Message | None) -> Message:
    lease = timezone.now() + timedelta(seconds=30)
    return say(conversation, parent, "assistant", "", status="streaming", lease_expires_at=lease)


def chain(owner: User, length: int) -> tuple[Conversation, Sequence[Message]]:
    """A conversation of one long branch."""
    conversation = add(owner)
    rows: list[Message] = []
    for n in range(length):
        parent_id = rows[-1].pk if rows else None
        role = "assistant" if n % 2 else "user"
        rows.append(
            Message(
                id=new_id(),
                conversation=conversation,
                owner=owner,
                parent_id=parent_id,
                role=role,
                content=str(n),
            )
        )
    Message.objects.bulk_create(rows)
    Conversation.objects.filter(pk=conversation.pk).update(head=rows[-1])
    conversation.refresh_from_db()
    return conversation, rows


def path_to(message: Message) -> str:
    return f"/api/conversations/{message.conversation_id}/messages/{message.pk}"
