"""Reads on conversations."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from conversations.models import Conversation


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, user_id: uuid.UUID) -> Self:
        """What this user may read: their own, not deleted."""
        return self.filter(owner_id=user_id, deleted_at__isnull=True)

    def after(self, conversation: Conversation) -> Self:
        """What follows `conversation` in the order newest first, ties broken by id."""
        return self.filter(
            Q(updated_at__lt=conversation.updated_at)
            | Q(updated_at=conversation.updated_at, id__lt=conversation.id)
        )
