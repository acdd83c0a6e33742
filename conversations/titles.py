"""Stores titles that a model found, where nobody has chosen one."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from conversations.models import Conversation, TitleSource
from conversations.search.pending import note_titles


@dataclass(frozen=True, slots=True)
class FoundTitle:
    conversation_id: uuid.UUID
    owner_id: uuid.UUID
    title: str


def store_titles(items: Sequence[FoundTitle]) -> list[bool]:
    """Whether each is the title now. A handler of `gateway.batching`.

    Only in place of the beginning of the first message. For its owner nothing has changed: the conversation
    keeps its version and its place in the list.
    """
    return [_store(item) for item in items]


def find_untitled(items: Sequence[uuid.UUID]) -> list[bool]:
    """Whether nobody has named each of them, nor a model. A handler of `gateway.batching`."""
    rows = Conversation.objects.filter(pk__in=items, title_source=TitleSource.FIRST_MESSAGE)
    found = set(rows.values_list("pk", flat=True))
    return [item in found for item in items]


def _store(item: FoundTitle) -> bool:
    untitled = Conversation.objects.visible_to(item.owner_id).filter(title_source=TitleSource.FIRST_MESSAGE)
    rows = untitled.filter(pk=item.conversation_id)
    with transaction.atomic():
        is_stored = bool(rows.update(title=item.title, title_source=TitleSource.MODEL))
        if is_stored:
            note_titles([item.conversation_id])
    return is_stored
