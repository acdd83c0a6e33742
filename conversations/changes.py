"""What an owner changes about a conversation: its name, its place in the list, its prompt; and its deletion.

`updated_at` stays, as lists are in the order of what was said last. Turns take a conversation by its version
(`conversations.turn_rows`): one that runs into a change begins anew, and neither loses anything.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Left
from django.utils import timezone

from conversations.folders import lock_folder
from conversations.models import (
    Conversation,
    ConversationQuerySet,
    Message,
    MessageRole,
    MessageStatus,
    TitleSource,
)
from conversations.new_turns import NewMessage, make_title
from conversations.prompt_sizes import count_bytes
from conversations.removal import remove_conversations
from conversations.search.pending import note_titles
from conversations.selectors import get_conversation
from conversations.stored_bytes import check_space
from gateway.conf import get_config
from gateway.errors import NotFound, VersionConflict

TITLED_CHARACTERS = 1_000
"""Of a first message, more than any title is made of."""

Changes = Mapping[str, Any]
"""Values by the names of columns; those of `CHANGED_COLUMNS`, as far as they change."""

CHANGED_COLUMNS = frozenset({"title", "system_prompt", "model", "is_archived", "is_pinned", "folder_id"})


def change_conversation(
    *, owner_id: uuid.UUID, conversation_id: uuid.UUID, changes: Changes, version: int | None = None
) -> Conversation:
    """Change a conversation and answer it as it is then. Without `version` the last change wins.

    Raises VersionConflict when it is no longer in `version`, StorageFull for a prompt that is too much for
    the account, NotFound for a conversation, or a folder, that is none of the owner's.
    """
    conversation = get_conversation(user_id=owner_id, conversation_id=conversation_id)
    with transaction.atomic():
        if changes:
            columns = _columns_of(conversation, changes)
            rows = Conversation.objects.visible_to(owner_id).filter(pk=conversation_id)
            wanted = rows if version is None else rows.filter(version=version)
            is_changed = bool(wanted.update(**columns, version=F("version") + 1))
            if is_changed and "title" in columns:
                note_titles([conversation_id])
            conversation = get_conversation(user_id=owner_id, conversation_id=conversation_id)
        else:
            is_changed = version in {None, conversation.version}
    if not is_changed:
        raise VersionConflict(details={"version": conversation.version})
    return conversation


def _columns_of(conversation: Conversation, changes: Changes) -> dict[str, Any]:
    columns = dict(changes)
    if (folder_id := columns.get("folder_id")) is not None:
        lock_folder(owner_id=conversation.owner_id, folder_id=folder_id)
    if "system_prompt" in columns:
        grown = count_bytes(columns["system_prompt"]) - count_bytes(conversation.system_prompt)
        if grown > 0:
            check_space(conversation.owner_id, grown, get_config().max_account_bytes)
    if "title" in columns:
        columns["title_source"] = TitleSource.USER
        if not columns["title"]:
            columns["title"], columns["title_source"] = _first_title(conversation), TitleSource.FIRST_MESSAGE
    return columns


def _first_title(conversation: Conversation) -> str:
    """The title that it would have had from the start."""
    asked = Message.objects.filter(conversation=conversation, role=MessageRole.USER).order_by("id")
    begun = asked.values_list(Left("content", TITLED_CHARACTERS), flat=True).first()
    return make_title([NewMessage(MessageRole.USER, begun)]) if begun else ""


def delete_conversation(*, owner_id: uuid.UUID, conversation_id: uuid.UUID) -> None:
    """Move a conversation to the trash; an answer that runs there is told to stop. Raises NotFound."""
    own = Conversation.objects.visible_to(owner_id).filter(pk=conversation_id)
    with transaction.atomic():
        stop_answers(own)
        if not move_to_trash(own):
            raise NotFound("There is no such conversation.")


def move_to_trash(conversations: ConversationQuerySet) -> int:
    return conversations.update(deleted_at=timezone.now(), version=F("version") + 1)


def stop_answers(conversations: ConversationQuerySet) -> None:
    """Note on the answers that run there that they are to stop, as `replies.request_cancels` does."""
    running = Message.objects.filter(status=MessageStatus.STREAMING, cancel_requested_at=None)
    running.filter(conversation__in=conversations.values("pk")).update(cancel_requested_at=timezone.now())


def restorable_by(owner_id: uuid.UUID) -> ConversationQuerySet:
    """What this user deleted, as long as it can be restored."""
    return Conversation.objects.deleted_by(owner_id).filter(deleted_at__gte=_oldest_restorable())


def _oldest_restorable() -> datetime:
    return timezone.now() - timedelta(days=get_config().deleted_conversation_days)


def restore_conversation(*, owner_id: uuid.UUID, conversation_id: uuid.UUID) -> Conversation:
    """Take a conversation out of the trash; one that is not in it stays as it is.

    Raises NotFound, also when it was deleted too long ago.
    """
    deleted = restorable_by(owner_id).filter(pk=conversation_id)
    deleted.update(deleted_at=None, version=F("version") + 1)
    return get_conversation(user_id=owner_id, conversation_id=conversation_id)


def delete_permanently(*, owner_id: uuid.UUID, conversation_id: uuid.UUID) -> None:
    """Remove a conversation that is in the trash, with all that was said in it. Raises NotFound."""
    deleted = Conversation.objects.deleted_by(owner_id).filter(pk=conversation_id)
    with transaction.atomic():
        if deleted.select_for_update().first() is None:
            raise NotFound("There is no such conversation in the trash.")
        remove_conversations([conversation_id])
