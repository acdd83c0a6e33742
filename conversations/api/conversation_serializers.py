"""What the conversation calls take and answer."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from conversations.api.message_serializers import MessageSerializer, serialise_messages
from conversations.bulk_changes import MOST_IDS, BulkAction
from conversations.models import MAX_MODEL_NAME, MAX_SYSTEM_PROMPT, MAX_TITLE, Conversation
from conversations.selectors import MAX_PAGE
from gateway.rest import StrictSerializer

MAX_VERSION = 2**31 - 1
"""What the column takes."""


class ConversationSerializer(serializers.ModelSerializer[Conversation]):
    folder_id = serializers.UUIDField(read_only=True, allow_null=True)
    archived = serializers.BooleanField(source="is_archived", read_only=True)
    pinned = serializers.BooleanField(source="is_pinned", read_only=True)
    updated_at = serializers.DateTimeField(read_only=True, help_text="When a turn began in it last.")

    class Meta:
        model = Conversation
        fields = [
            *("id", "title", "title_source", "system_prompt", "model", "folder_id", "archived", "pinned"),
            *("version", "created_at", "updated_at", "deleted_at"),
        ]
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
        max_length=MAX_SYSTEM_PROMPT,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="Left out: the account's own.",
    )
    model = serializers.CharField(max_length=MAX_MODEL_NAME, required=False, allow_blank=True)
    folder_id = serializers.UUIDField(required=False, allow_null=True)


class ChangedConversationSerializer(StrictSerializer):
    """Fields that are left out stay as they are."""

    title = serializers.CharField(
        max_length=MAX_TITLE,
        required=False,
        allow_blank=True,
        help_text="Empty: the gateway names the conversation, by its first message.",
    )
    system_prompt = serializers.CharField(
        max_length=MAX_SYSTEM_PROMPT, required=False, allow_blank=True, trim_whitespace=False
    )
    model = serializers.CharField(max_length=MAX_MODEL_NAME, required=False, allow_blank=True)
    archived = serializers.BooleanField(required=False, source="is_archived")
    pinned = serializers.BooleanField(required=False, source="is_pinned")
    folder_id = serializers.UUIDField(required=False, allow_null=True, help_text="null: in no folder.")
    version = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_VERSION,
        help_text="The one that was read. Where it is another by now, 409 `version_conflict`.",
    )


class DuplicationSerializer(StrictSerializer):
    message_id = serializers.UUIDField(
        required=False, help_text="Where the copied branch ends; left out: the active one, whole."
    )


class DeletionSerializer(StrictSerializer):
    permanently = serializers.BooleanField(
        default=False, help_text="For a conversation that is in the trash already: remove it."
    )


class BulkChangeSerializer(StrictSerializer):
    """What is to happen to the conversations of `ids`, or to all that it can happen to."""

    action = serializers.ChoiceField(choices=BulkAction.choices)
    ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_empty=False, max_length=MOST_IDS
    )
    all = serializers.BooleanField(default=False)
    folder_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="Of `move`, which needs it. null: out of any folder."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in attrs) == attrs["all"]:
            raise serializers.ValidationError({"ids": ["Send either ids or `all: true`."]})
        if ("folder_id" in attrs) != (attrs["action"] == BulkAction.MOVE):
            raise serializers.ValidationError({"folder_id": ["Needed by the action move, and by no other."]})
        del attrs["all"]
        return attrs


class BulkResultSerializer(serializers.Serializer[Any]):
    changed = serializers.IntegerField(help_text="How many conversations it happened to.")
    not_found = serializers.ListField(
        child=serializers.UUIDField(), help_text="Those of `ids` that it could not happen to."
    )


class ConversationQuerySerializer(StrictSerializer):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=20)
    after = serializers.UUIDField(required=False, help_text="`last_id` of the page before.")
    q = serializers.CharField(
        max_length=MAX_TITLE, required=False, allow_blank=True, help_text="Part of the title."
    )
    archived = serializers.BooleanField(
        required=False, help_text="Left out: those that are not archived; of the deleted ones, all."
    )
    pinned = serializers.BooleanField(required=False)
    folder_id = serializers.UUIDField(required=False)
    deleted = serializers.BooleanField(default=False, help_text="The trash, by the time of deletion.")


class ConversationListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = ConversationSerializer(many=True)  # type: ignore[assignment]  # OpenAI's name for it
    first_id = serializers.UUIDField(allow_null=True)
    last_id = serializers.UUIDField(allow_null=True)
    has_more = serializers.BooleanField()
