"""Conversations.

A conversation's `head` is the message that its active branch ends in; the branch is the path from the
root to it.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.tuple_lookups import TupleLessThan
from django.utils import timezone

from conversations.models.folders import Folder
from conversations.models.messages import MAX_MODEL_NAME
from gateway.ids import new_id
from gateway.wording import fill_in

MAX_TITLE = 200
MAX_SYSTEM_PROMPT = 32_000
"""Characters that the columns take."""
MAX_IMPORT_KEY = 64


class TitleSource(models.TextChoices):
    """Where a title comes from; only one that nobody chose is replaced by another."""

    FIRST_MESSAGE = "first", "The beginning of the first message"
    MODEL = "model", "A model"
    USER = "user", "Its owner"


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, user_id: uuid.UUID) -> Self:
        """What this user may read: their own, not deleted."""
        return self.filter(owner_id=user_id, deleted_at__isnull=True)

    def deleted_by(self, user_id: uuid.UUID) -> Self:
        """What this user deleted, until it is purged."""
        return self.filter(owner_id=user_id, deleted_at__isnull=False)

    def lock_in_order(self) -> list[uuid.UUID]:
        """Lock these rows until the transaction ends, in the order in which turns lock theirs; their ids."""
        return list(self.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))

    def after(self, column: str, moment: datetime, id_: uuid.UUID) -> Self:
        """What follows this place in the order newest first by `column`, ties broken by id.

        Compared as a pair, as it is the beginning of a range of an index then; of two conditions joined by OR
        databases read all that comes before as well.
        """
        return self.filter(TupleLessThan((F(column), F("id")), (moment, id_)))


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations"
    )
    folder = models.ForeignKey(
        Folder, null=True, blank=True, on_delete=models.SET_NULL, related_name="conversations"
    )
    title = models.CharField(max_length=MAX_TITLE, blank=True)
    title_source = models.CharField(
        max_length=10, choices=TitleSource, default=TitleSource.FIRST_MESSAGE.value, editable=False
    )
    system_prompt = models.TextField(blank=True, max_length=MAX_SYSTEM_PROMPT)
    model = models.CharField(
        max_length=MAX_MODEL_NAME,
        blank=True,
        help_text="Name of the model that answered last, or the one asked for.",
    )
    head = models.ForeignKey(
        "Message", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    is_archived = models.BooleanField(default=False)
    is_pinned = models.BooleanField(default=False)
    import_key = models.CharField(  # noqa: DJ001 - unique when given
        max_length=MAX_IMPORT_KEY,
        null=True,
        blank=True,
        editable=False,
        help_text="Of the conversation in the file that it was imported from.",
    )
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "import_key"],
                condition=Q(import_key__isnull=False),
                name="conversation_imported_once",
            )
        ]
        # Each is the order of a list.
        indexes = [
            models.Index(
                fields=["owner", "is_archived", "-updated_at", "-id"],
                condition=Q(deleted_at__isnull=True),
                name="conversation_of_owner",
            ),
            models.Index(
                fields=["owner", "is_archived", "-updated_at", "-id"],
                condition=Q(deleted_at__isnull=True, is_pinned=True),
                name="conversation_pinned",
            ),
            models.Index(
                fields=["folder", "is_archived", "-updated_at", "-id"],
                condition=Q(deleted_at__isnull=True, folder__isnull=False),
                name="conversation_in_folder",
            ),
            models.Index(
                fields=["owner", "-deleted_at", "-id"],
                condition=Q(deleted_at__isnull=False),
                name="conversation_deleted",
            ),
        ]

    def __str__(self) -> str:
        return fill_in("Conversation {id}", id=self.pk)
