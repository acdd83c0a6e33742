"""Messages, as the conversation calls answer them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from conversations.models import Message


class UsageSerializer(serializers.Serializer[Any]):
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()


@extend_schema_field({"type": ["array", "null"], "items": {"type": "object", "additionalProperties": True}})
class ToolCallsField(serializers.JSONField):
    """As the engine wrote them."""


class MessageSerializer(serializers.ModelSerializer[Message]):
    tool_calls = ToolCallsField(read_only=True)
    usage = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = [
            "id",
            "parent_id",
            "role",
            "content",
            "reasoning",
            "tool_calls",
            "status",
            "error_code",
            "model",
            "finish_reason",
            "usage",
            "usage_source",
            "ttft_ms",
            "latency_ms",
            "omitted_messages",
            "request_id",
            "created_at",
        ]

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
