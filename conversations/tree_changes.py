"""What an owner changes about the tree of a conversation: edits, deleted branches, the branch that is read.

Each holds the conversation's row to its end, and grows its version: a turn that began to be written before
finds it stale and begins anew (`conversations.turn_rows`).
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction
from django.db.models import Count, Sum

from conversations.files.parts import replace_text
from conversations.models import ROW_BYTES, Conversation, Message, MessageRole, MessageStatus
from conversations.prompt_sizes import TurnLimits, count_bytes
from conversations.selectors import NO_MESSAGE, get_message
from conversations.services import lock_conversation
from conversations.stored_bytes import check_space
from conversations.tree import find_newest_leaf, is_answered_below, is_at_or_below, remove_below
from gateway.conf import get_config
from gateway.errors import ConversationBusy, InvalidRequest

EDITED_ROLES = frozenset({MessageRole.USER, MessageRole.ASSISTANT})


def edit_message(
    *,
    user_id: uuid.UUID,
    conversation_id: uuid.UUID,
    message_id: uuid.UUID,
    content: str,
    version: int | None = None,
) -> Message:
    """A sibling of the message with this content, which the active branch ends in; the message stays.

    Raises NotFound, VersionConflict, ConversationBusy while an answer streams in the conversation,
    ConversationFull, StorageFull, and InvalidRequest for a message that is nobody's words.
    """
    with transaction.atomic():
        conversation = lock_tree(user_id=user_id, conversation_id=conversation_id, version=version)
        original = get_message(user_id=user_id, conversation_id=conversation_id, message_id=message_id)
        if original.role not in EDITED_ROLES:
            raise InvalidRequest("Only what people and models said can be edited.", param="message_id")
        if Message.objects.filter(conversation=conversation, status=MessageStatus.STREAMING).exists():
            raise ConversationBusy
        _check_sizes(conversation, count_bytes(content))
        is_question = original.role == MessageRole.USER
        edited = Message.objects.create(
            conversation=conversation,
            owner_id=conversation.owner_id,
            parent_id=original.parent_id,
            role=original.role,
            content=content,
            parts=replace_text(original.parts, content) if is_question else None,
        )
        _move_head(conversation, edited.pk, updated_at=edited.created_at)
    return edited


def _check_sizes(conversation: Conversation, new_bytes: int) -> None:
    config = get_config()
    held = Message.objects.filter(conversation=conversation).aggregate(
        texts=Sum("size_bytes", default=0), rows=Count("pk")
    )
    limits = TurnLimits(conversation_bytes=config.max_conversation_bytes)
    limits.check_conversation(held["texts"] + ROW_BYTES * held["rows"], new_bytes, 1)
    check_space(conversation.owner_id, new_bytes + ROW_BYTES, config.max_account_bytes)


def delete_branch(*, user_id: uuid.UUID, conversation_id: uuid.UUID, message_id: uuid.UUID) -> None:
    """Remove the message and everything that follows it, for good.

    An active branch that ended there then ends in the newest leaf beside the message, or else in what it
    followed. Raises NotFound, and ConversationBusy while an answer streams below.
    """
    with transaction.atomic():
        conversation = lock_tree(user_id=user_id, conversation_id=conversation_id)
        message = get_message(user_id=user_id, conversation_id=conversation_id, message_id=message_id)
        remove_branch(conversation, message)


def remove_branch(conversation: Conversation, message: Message) -> int:
    """See `delete_branch`; the number of messages removed. To be called with the conversation locked."""
    if is_answered_below(message.pk):
        raise ConversationBusy
    head_id = conversation.head_id
    if head_id is not None and is_at_or_below(head_id, message.pk):
        beside = (
            Message.objects.filter(conversation=conversation, parent_id=message.parent_id)
            .exclude(pk=message.pk)
            .order_by("-created_at", "-pk")
        )
        newest_id = beside.values_list("pk", flat=True).first()
        head_id = find_newest_leaf(newest_id) if newest_id else message.parent_id
    _move_head(conversation, head_id)
    return remove_below(message.pk)


def activate_branch(
    *,
    user_id: uuid.UUID,
    conversation_id: uuid.UUID,
    message_id: uuid.UUID,
    version: int | None = None,
) -> Conversation:
    """Make the branch through this message the active one, to its newest leaf; the conversation then.

    Raises NotFound and VersionConflict. Where the branch is active already, nothing changes.
    """
    with transaction.atomic():
        conversation = lock_tree(user_id=user_id, conversation_id=conversation_id, version=version)
        message = get_message(user_id=user_id, conversation_id=conversation_id, message_id=message_id)
        leaf_id = find_newest_leaf(message.pk)
        if leaf_id != conversation.head_id:
            _move_head(conversation, leaf_id)
    return conversation


def lock_tree(*, user_id: uuid.UUID, conversation_id: uuid.UUID, version: int | None = None) -> Conversation:
    """The locked conversation of a message; one that is missing looks like a message that is."""
    return lock_conversation(
        owner_id=user_id, conversation_id=conversation_id, version=version, missing=NO_MESSAGE
    )


def _move_head(conversation: Conversation, head_id: uuid.UUID | None, **columns: Any) -> None:
    """Store where the active branch ends, as one change of the conversation."""
    conversation.head_id = head_id
    conversation.version += 1
    for name, value in columns.items():
        setattr(conversation, name, value)
    conversation.save(update_fields=["head", "version", *columns])
