"""Saved conversations: each a tree of messages, one row a message.

A conversation's `head` is the message that its active branch ends in; the branch is the path from the
root to it. Only the server writes messages.
"""

from __future__ import annotations

import uuid
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Func, Q
from django.utils import timezone

from gateway.ids import new_id

MAX_TITLE = 200
MAX_SYSTEM_PROMPT = 32_000
MAX_MODEL_NAME = 200
MAX_FINISH_REASON = 50
"""Characters that the columns take."""


ROW_BYTES = 1024
"""What each message counts beside its text, so that a bound in bytes is one on rows as well."""


class OctetLength(Func):
    """The bytes of a text. PostgreSQL knows them without reading a text that it keeps out of line."""

    function = "OCTET_LENGTH"
    output_field = models.IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))", **context)


class MessageRole(models.TextChoices):
    SYSTEM = "system", "System"
    USER = "user", "User"
    ASSISTANT = "assistant", "Assistant"
    TOOL = "tool", "Tool"


class MessageStatus(models.TextChoices):
    STREAMING = "streaming", "Streaming"
    COMPLETE = "complete", "Complete"
    CANCELLED = "cancelled", "Cancelled"
    ERROR = "error", "Error"


class UsageSource(models.TextChoices):
    ENGINE = "engine", "Counted by the engine"
    ESTIMATED = "estimated", "Estimated from the pieces received"


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


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations"
    )
    title = models.CharField(max_length=MAX_TITLE, blank=True)
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
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-id"]
        indexes = [
            models.Index(
                fields=["owner", "-updated_at", "-id"],
                condition=Q(deleted_at__isnull=True),
                name="conversation_of_owner_by_age",
            )
        ]

    def __str__(self) -> str:
        return f"Conversation {self.pk}"


class Message(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # No index of their own: each is the beginning of one below.
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="children"
    )
    role = models.CharField(max_length=10, choices=MessageRole)
    content = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)
    size_bytes = models.GeneratedField(
        expression=OctetLength("content") + OctetLength("reasoning"),
        output_field=models.IntegerField(),
        db_persist=True,
    )
    tool_calls = models.JSONField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=MessageStatus, default=MessageStatus.COMPLETE)
    error_code = models.CharField(max_length=50, blank=True)
    model = models.CharField(max_length=MAX_MODEL_NAME, blank=True)
    finish_reason = models.CharField(max_length=MAX_FINISH_REASON, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    usage_source = models.CharField(max_length=10, choices=UsageSource, blank=True)
    ttft_ms = models.PositiveIntegerField(null=True, blank=True, help_text="Time to the first token.")
    latency_ms = models.PositiveIntegerField(
        null=True, blank=True, help_text="Time to the end of the answer."
    )
    request_id = models.CharField(max_length=128, blank=True)
    client_message_id = models.CharField(max_length=128, null=True, blank=True)  # noqa: DJ001 - unique when given
    request_digest = models.CharField(
        max_length=65,
        blank=True,
        editable=False,
        help_text="Of what the request with this client_message_id asked for.",
    )
    lease_expires_at = models.DateTimeField(
        null=True, blank=True, help_text="While streaming: when the sweeper may take its process for dead."
    )
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(status="streaming"),
                name="one_streaming_message_per_conversation",
            ),
            models.UniqueConstraint(
                fields=["owner", "client_message_id"],
                condition=Q(client_message_id__isnull=False),
                name="client_message_id_unique_per_owner",
            ),
            models.CheckConstraint(
                condition=~Q(status="streaming") | Q(role="assistant", lease_expires_at__isnull=False),
                name="streaming_message_is_a_leased_answer",
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_expires_at"],
                condition=Q(status="streaming"),
                name="streaming_message_by_lease",
            ),
            models.Index(fields=["conversation", "status", "size_bytes"], name="message_of_conversation"),
            models.Index(fields=["owner", "size_bytes"], name="message_of_owner"),
        ]

    def __str__(self) -> str:
        return f"Message {self.pk}"
