"""Messages: one row each, a tree by `parent`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Func, Q
from django.utils import timezone

from gateway.ids import new_id
from gateway.wording import fill_in

MAX_MODEL_NAME = 200
MAX_FINISH_REASON = 50
MAX_TOOL_CALL_ID = 200
MAX_ERROR_MESSAGE = 500
"""Characters that the columns take."""

REFUSAL = "refusal"
"""The finish_reason of an answer in which the model refuses: its mark, as the refusal is its text."""

MAX_CONTENT = 1_000_000
"""Characters of a message that people write."""

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


class Message(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # No index of their own: each is the beginning of one below.
    conversation = models.ForeignKey(
        "Conversation", on_delete=models.CASCADE, related_name="messages", db_index=False
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
    parts = models.JSONField(
        null=True,
        blank=True,
        help_text="Of a message that is more than a text: its texts, images and files in order.",
    )
    tool_calls = models.JSONField(null=True, blank=True)
    tool_call_id = models.CharField(
        max_length=MAX_TOOL_CALL_ID, blank=True, help_text="Of a tool's message: the call that it answers."
    )
    status = models.CharField(max_length=10, choices=MessageStatus, default=MessageStatus.COMPLETE)
    error_code = models.CharField(max_length=50, blank=True)
    error_message = models.CharField(
        max_length=MAX_ERROR_MESSAGE, blank=True, help_text="Why the answer failed, as its client was told."
    )
    model = models.CharField(max_length=MAX_MODEL_NAME, blank=True)
    finish_reason = models.CharField(max_length=MAX_FINISH_REASON, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    usage_source = models.CharField(max_length=10, choices=UsageSource, blank=True)
    ttft_ms = models.PositiveIntegerField(null=True, blank=True, help_text="Time to the first token.")
    latency_ms = models.PositiveIntegerField(
        null=True, blank=True, help_text="Time to the end of the answer."
    )
    omitted_messages = models.PositiveIntegerField(
        default=0, help_text="Messages of its branch that the prompt left out, as they did not fit."
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
        permissions = [("view_texts", "Can read what people wrote, in the admin")]
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
            models.Index(fields=["conversation", "id", "size_bytes"], name="message_of_conversation"),
            models.Index(
                fields=["conversation"],
                condition=Q(parent__isnull=True),
                name="message_first_of_conversation",
            ),
            models.Index(fields=["owner", "id", "size_bytes"], name="message_of_owner"),
            models.Index(fields=["owner"], condition=Q(parts__isnull=False), name="message_with_parts"),
            models.Index(fields=["owner"], condition=Q(tool_calls__isnull=False), name="message_with_tools"),
        ]

    def __str__(self) -> str:
        return fill_in("Message {id}", id=self.pk)
