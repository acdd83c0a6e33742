"""Messages, as the conversation calls answer them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from conversations.files.rendering import Files, load_files_of, render_parts
from conversations.models import Message


class UsageSerializer(serializers.Serializer[Any]):
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()


@extend_schema_field({"type": ["array", "null"], "items": {"type": "object", "additionalProperties": True}})
class ToolCallsField(serializers.JSONField):
    """As the engine wrote them."""


class MessagePartSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=["text", "image", "document"])
    text = serializers.CharField(required=False, help_text="Of a text.")
    file_id = serializers.UUIDField(required=False, help_text="Of an image or a document, as `name`.")
    name = serializers.CharField(required=False, allow_blank=True)
    media_type = serializers.CharField(required=False, allow_null=True, help_text="Null: it was deleted.")
    size_bytes = serializers.IntegerField(required=False, allow_null=True)


class MessageSerializer(serializers.ModelSerializer[Message]):
    parts = serializers.SerializerMethodField(
        help_text="Of a message with images or documents: its texts and files in order."
    )
    tool_calls = ToolCallsField(read_only=True)
    usage = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = [
            "id",
            "parent_id",
            "role",
            "content",
            "parts",
            "reasoning",
            "tool_calls",
            "tool_call_id",
            "status",
            "error_code",
            "model",
            "finish_reason",
            "usage",
            "usage_source",
            "ttft_ms",
            "latency_ms",
            "request_id",
            "created_at",
        ]

    @cached_property
    def _files(self) -> Files:
        """Of all messages that are written together."""
        page = self.parent.instance if self.parent is not None else self.instance
        return load_files_of([page] if isinstance(page, Message) else page or ())

    @extend_schema_field(MessagePartSerializer(many=True, allow_null=True))
    def get_parts(self, message: Message) -> list[dict[str, Any]] | None:
        return None if message.parts is None else render_parts(message, self._files)

    @extend_schema_field(UsageSerializer(allow_null=True))
    def get_usage(self, message: Message) -> dict[str, int] | None:
        if message.completion_tokens is None:
            return None
        prompt = message.prompt_tokens or 0
        return {
            "prompt_tokens": prompt,
            "completion_tokens": message.completion_tokens,
            "total_tokens": prompt + message.completion_tokens,
        }
