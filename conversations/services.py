"""Writes on conversations, for the REST views."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations.folders import lock_folder
from conversations.models import ROW_BYTES, Conversation, TitleSource
from conversations.prompt_sizes import count_bytes
from conversations.stored_bytes import check_space
from gateway.conf import get_config
from gateway.errors import NotFound, VersionConflict


def lock_conversation(
    *,
    owner_id: uuid.UUID,
    conversation_id: uuid.UUID,
    version: int | None = None,
    missing: str = "There is no such conversation.",
) -> Conversation:
    """The conversation, which nobody else changes until the transaction ends.

    Raises NotFound, with the text `missing`, and VersionConflict when it is not in `version`.
    """
    own = Conversation.objects.visible_to(owner_id).filter(pk=conversation_id)
    conversation = own.select_for_update(no_key=True).first()
    if conversation is None:
        raise NotFound(missing)
    if version not in {None, conversation.version}:
        raise VersionConflict(details={"version": conversation.version})
    return conversation


def create_conversation(
    *,
    owner_id: uuid.UUID,
    title: str = "",
    system_prompt: str = "",
    model: str = "",
    folder_id: uuid.UUID | None = None,
) -> Conversation:
    """An empty conversation.

    Raises StorageFull when the account holds as much as it may, NotFound for a folder that is none of the
    owner's.
    """
    new_bytes = ROW_BYTES + count_bytes(system_prompt)
    check_space(owner_id, new_bytes, get_config().max_account_bytes)
    with transaction.atomic():
        if folder_id is not None:
            lock_folder(owner_id=owner_id, folder_id=folder_id)
        return Conversation.objects.create(
            owner_id=owner_id,
            title=title,
            title_source=TitleSource.USER if title else TitleSource.FIRST_MESSAGE,
            system_prompt=system_prompt,
            model=model,
            folder_id=folder_id,
        )
