"""What the calls about shared links take and answer."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from conversations.models import Message, SharedLink
from conversations.sharing import make_token
from gateway.rest import StrictSerializer

MAX_PAGE = 100
MAX_DAYS = 3650
MAX_CURSOR = 200
SHOWN_OF_PARTS = {"text": ("type", "length"), "image": ("type",), "document": ("type", "name")}
"""By the type of a part, what of it a link shows. Their files are their owner's alone."""


class NewShareSerializer(StrictSerializer):
    expires_in_days = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_DAYS, help_text="Left out: as long as SHARED_LINK_DAYS."
    )


class ShareSerializer(serializers.ModelSerializer[SharedLink]):
    title = serializers.CharField(source="conversation.title", help_text="Of the conversation.")
    token = serializers.SerializerMethodField()
    path = serializers.SerializerMethodField(help_text="Where a program that has the token reads it.")
    page = serializers.SerializerMethodField(help_text="Where a person does, in a browser.")

    class Meta:
        model = SharedLink
        fields = ["id", "conversation_id", "title", "token", "path", "page", "created_at", "expires_at"]
        read_only_fields = fields

    def get_token(self, link: SharedLink) -> str:
        return make_token(link.id)

    def get_path(self, link: SharedLink) -> str:
        return f"{settings.BASE_PATH}/api/shared/{make_token(link.id)}"

    def get_page(self, link: SharedLink) -> str:
        return f"{settings.BASE_PATH}/shared/{make_token(link.id)}"


class ShareListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = ShareSerializer(many=True)  # type: ignore[assignment]  # a field, not the property


class SharedPageQuerySerializer(StrictSerializer):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=MAX_PAGE)
    before = serializers.CharField(
        max_length=MAX_CURSOR, required=False, help_text="`before` of the page after it."
    )


@extend_schema_field({"type": ["array", "null"], "items": {"type": "object", "additionalProperties": True}})
class ShownPartsField(serializers.JSONField):
    """The kinds of what a message is made of, without the ids of its files."""

    def to_representation(self, value: Any) -> Any:
        return [
            {name: part.get(name) for name in SHOWN_OF_PARTS[part["type"]]}
            for part in value
            if part.get("type") in SHOWN_OF_PARTS
        ]


class SharedMessageSerializer(serializers.ModelSerializer[Message]):
    parts = ShownPartsField(read_only=True)

    class Meta:
        model = Message
        fields = ["role", "content", "parts", "model", "created_at"]
        read_only_fields = fields


class SharedPageSerializer(serializers.Serializer[Any]):
    title = serializers.CharField()
    models = serializers.SerializerMethodField(help_text="Those that answered on this page.")
    messages = SharedMessageSerializer(many=True)
    before = serializers.CharField(
        allow_null=True, help_text="For the page of earlier messages; null where there are none."
    )

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_models(self, page: Any) -> list[str]:
        return sorted({message.model for message in page.messages if message.model})
