"""What the conversation calls take and answer."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from conversations.api.message_serializers import MessageSerializer, serialise_messages
from conversations.models import MAX_MODEL_NAME, MAX_SYSTEM_PROMPT, MAX_TITLE, Conversation
from conversations.selectors import MAX_PAGE
from gateway.rest import StrictSerializer


class ConversationSerializer(serializers.ModelSerializer[Conversation]):
    archived = serializers.BooleanField(source="is_archived", read_only=True)

    class Meta:
        model = Conversation
        fields = ["id", "title", "system_prompt", "model", "version", "archived", "created_at", "updated_at"]
        read_only_fields = fields


class ConversationDetailSerializer(ConversationSerializer):
    """With a page of the active branch, root first: `page` and `has_more` of the context."""

    messages = serializers.SerializerMethodField(
        help_text="The active branch, or a page of it, oldest first."
    )
    first_id = serializers.SerializerMethodField(help_text="Of the page; `before` it is the next one.")
    last_id = serializers.SerializerMethodField()
    has_more = serializers.SerializerMethodField(help_text="Whether there are earlier messages.")

    class Meta(ConversationSerializer.Meta):
        fields = [*ConversationSerializer.Meta.fields, "messages", "first_id", "last_id", "has_more"]

    @extend_schema_field(MessageSerializer(many=True))
    def get_messages(self, conversation: Conversation) -> Any:
        return serialise_messages(self.context["page"])

    def get_first_id(self, conversation: Conversation) -> uuid.UUID | None:
        return self.context["page"][0].id if self.context["page"] else None

    def get_last_id(self, conversation: Conversation) -> uuid.UUID | None:
        return self.context["page"][-1].id if self.context["page"] else None

    def get_has_more(self, conversation: Conversation) -> bool:
        has_more: bool = self.context["has_more"]
        return has_more


class MessagePageSerializer(StrictSerializer):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=MAX_PAGE)
    before = serializers.UUIDField(required=False, help_text="`first_id` of the page after it.")


class NewConversationSerializer(StrictSerializer):
    title = serializers.CharField(max_length=MAX_TITLE, required=False, allow_blank=True)
    system_prompt = serializers.CharField(
        max_length=MAX_SYSTEM_PROMPT, required=False, allow_blank=True, trim_whitespace=False
    )
    model = serializers.CharField(max_length=MAX_MODEL_NAME, required=False, allow_blank=True)


class ConversationQuerySerializer(StrictSerializer):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=20)
    after = serializers.UUIDField(required=False, help_text="`last_id` of the page before.")
    q = serializers.CharField(
        max_length=MAX_TITLE, required=False, allow_blank=True, help_text="Part of the title."
    )
    archived = serializers.BooleanField(default=False)


class ConversationListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = ConversationSerializer(many=True)  # type: ignore[assignment]  # OpenAI's name for it
    first_id = serializers.UUIDField(allow_null=True)
    last_id = serializers.UUIDField(allow_null=True)
    has_more = serializers.BooleanField()
