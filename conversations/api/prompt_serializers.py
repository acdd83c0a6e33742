"""What the calls about saved prompts take and answer."""

from __future__ import annotations

import uuid
from typing import Any

from rest_framework import serializers

from conversations.models import SavedPrompt
from conversations.models.prompts import MAX_PROMPT, MAX_PROMPT_TITLE
from gateway.rest import StrictSerializer

MAX_PAGE = 100


class PromptFieldsSerializer(StrictSerializer):
    """What an owner says about a prompt; with `partial=True`, what they change."""

    title = serializers.CharField(max_length=MAX_PROMPT_TITLE)
    content = serializers.CharField(max_length=MAX_PROMPT, trim_whitespace=False)
    shared = serializers.BooleanField(
        required=False, source="is_shared", help_text="Everybody may read and use it; by administrators only."
    )


class PromptQuerySerializer(StrictSerializer):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=50)
    after = serializers.UUIDField(required=False, help_text="`last_id` of the page before.")
    q = serializers.CharField(
        max_length=MAX_PROMPT_TITLE, required=False, allow_blank=True, help_text="Part of the title."
    )


class PromptSerializer(serializers.ModelSerializer[SavedPrompt]):
    """With the id of who asks as `caller_id` in the context."""

    shared = serializers.BooleanField(source="is_shared")
    own = serializers.SerializerMethodField(help_text="Whether the caller may change it.")

    class Meta:
        model = SavedPrompt
        fields = ["id", "title", "content", "shared", "own", "created_at", "updated_at"]
        read_only_fields = fields

    def get_own(self, prompt: SavedPrompt) -> bool:
        caller_id: uuid.UUID = self.context["caller_id"]
        return prompt.owner_id == caller_id


class PromptListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = PromptSerializer(many=True)  # type: ignore[assignment]  # OpenAI's name for it
    first_id = serializers.UUIDField(allow_null=True)
    last_id = serializers.UUIDField(allow_null=True)
    has_more = serializers.BooleanField()
