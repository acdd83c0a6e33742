"""Messages, as the conversation calls take and answer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from conversations.api.feedback_serializers import FeedbackSerializer
from conversations.files.rendering import Files, load_files_of, render_parts
from conversations.models import MAX_CONTENT, REFUSAL, Feedback, Message
from conversations.selectors import MAX_PAGE
from conversations.siblings import load_siblings
from gateway.rest import StrictSerializer


class UsageSerializer(serializers.Serializer[Any]):
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()


class SiblingsSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="Messages that follow the same one, this one included.")
    position = serializers.IntegerField(help_text="Among them, oldest first, from 1.")
    previous_id = serializers.UUIDField(allow_null=True)
    next_id = serializers.UUIDField(allow_null=True)


@extend_schema_field({"type": ["array", "null"], "items": {"type": "object", "additionalProperties": True}})
class ObjectsField(serializers.JSONField):
    """Tool calls, as the engine wrote them."""


class MessagePartSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=["text", "image", "document"])
    text = serializers.CharField(required=False, help_text="Of a text.")
    file_id = serializers.UUIDField(required=False, help_text="Of an image or a document, as `name`.")
    name = serializers.CharField(required=False, allow_blank=True)
    media_type = serializers.CharField(required=False, allow_null=True, help_text="Null: it was deleted.")
    size_bytes = serializers.IntegerField(required=False, allow_null=True)


class MessageSerializer(serializers.ModelSerializer[Message]):
    """`siblings` of the context: the place of each message, by its id."""

    parts = serializers.SerializerMethodField(
        help_text="Of a message with images or documents: its texts and files in order."
    )
    tool_calls = ObjectsField(read_only=True)
    refusal = serializers.SerializerMethodField()
    usage = serializers.SerializerMethodField()
    siblings = serializers.SerializerMethodField()
    feedback = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = [
            "id",
            "parent_id",
            "siblings",
            "role",
            "content",
            "parts",
            "reasoning",
            "refusal",
            "tool_calls",
            "tool_call_id",
            "status",
            "error_code",
            "error_message",
            "model",
            "finish_reason",
            "omitted_messages",
            "usage",
            "usage_source",
            "ttft_ms",
            "latency_ms",
            "feedback",
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

    def get_refusal(self, message: Message) -> str | None:
        return message.content if message.finish_reason == REFUSAL else None

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

    @extend_schema_field(SiblingsSerializer)
    def get_siblings(self, message: Message) -> dict[str, Any]:
        return asdict(self.context["siblings"][message.pk])

    @extend_schema_field(FeedbackSerializer(allow_null=True))
    def get_feedback(self, message: Message) -> Any:
        try:
            return FeedbackSerializer(message.feedback).data
        except Feedback.DoesNotExist:
            return None


def serialise_messages(messages: Sequence[Message]) -> Any:
    """Messages as a list of answers, with what stands beside each. One query more, for all of them.

    Feedback is read with the messages where they come from `messages_to_show`.
    """
    return MessageSerializer(messages, many=True, context={"siblings": load_siblings(messages)}).data


class MessageQuerySerializer(StrictSerializer):
    branch = serializers.ChoiceField(
        ["active", "all"],
        default="active",
        help_text="The active branch, or every message of the tree in the order of ids.",
    )
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=MAX_PAGE)
    before = serializers.UUIDField(required=False, help_text="`first_id` of the page after it.")


class MessageListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = MessageSerializer(many=True)  # type: ignore[assignment]  # OpenAI's name for it
    first_id = serializers.UUIDField(allow_null=True, help_text="`before` it is the next page.")
    last_id = serializers.UUIDField(allow_null=True)
    has_more = serializers.BooleanField(help_text="Whether there are earlier messages.")


class VersionSerializer(StrictSerializer):
    version = serializers.IntegerField(
        min_value=1,
        max_value=2**31 - 1,
        required=False,
        help_text="Of the conversation as it was read: refused with 409 if it changed since.",
    )


class EditSerializer(VersionSerializer):
    content = serializers.CharField(max_length=MAX_CONTENT, trim_whitespace=False)
