"""What a search takes and answers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from conversations.models import MAX_MODEL_NAME, MessageRole
from conversations.search.queries import MOST_CHARACTERS, MOST_WORDS
from conversations.search.searching import SearchHit
from conversations.selectors import MAX_PAGE
from gateway.rest import StrictSerializer

MAX_CURSOR = 16


class SearchQuerySerializer(StrictSerializer):
    q = serializers.CharField(
        max_length=MOST_CHARACTERS,
        help_text=f"Up to {MOST_WORDS} words, all of which a title or a message has, each as a part of a "
        "word or as it stands in code. In double quotes: a phrase. Case does not matter.",
    )
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=20)
    after = serializers.CharField(
        max_length=MAX_CURSOR, required=False, help_text="`next` of the page before."
    )
    role = serializers.ChoiceField(choices=MessageRole.choices, required=False, help_text="Messages alone.")
    model = serializers.CharField(
        max_length=MAX_MODEL_NAME, required=False, help_text="Answers of this model alone."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is no name that Python takes."""
        fields = super().get_fields()
        fields["from"] = serializers.DateTimeField(
            required=False, source="since", help_text="The first moment of making, included."
        )
        fields["to"] = serializers.DateTimeField(
            required=False, source="until", help_text="The last moment, excluded."
        )
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "since" in attrs and "until" in attrs and attrs["since"] > attrs["until"]:
            raise serializers.ValidationError({"from": ["Comes after `to`."]})
        return attrs


class FoundConversationSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    title = serializers.CharField()
    archived = serializers.BooleanField(source="is_archived")


class SnippetSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(
        help_text="A part of the text, in NFC, on one line; of an answer without Markdown. No HTML."
    )
    matches = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), min_length=2, max_length=2),
        help_text="Where the words are in it: `[start, end]` in Unicode characters, the end excluded.",
    )


class SearchHitSerializer(serializers.Serializer[SearchHit]):
    conversation = FoundConversationSerializer()
    message_id = serializers.UUIDField(allow_null=True, help_text="null: the title has the words.")
    role = serializers.SerializerMethodField(help_text="null of a title.")
    model = serializers.CharField(help_text="Of an answer.")
    created_at = serializers.DateTimeField()
    snippet = SnippetSerializer()

    @extend_schema_field(serializers.ChoiceField(choices=MessageRole.choices, allow_null=True))
    def get_role(self, hit: SearchHit) -> str | None:
        return hit.role or None


class SearchPageSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = SearchHitSerializer(many=True)  # type: ignore[assignment]  # OpenAI's name for it
    next = serializers.CharField(allow_null=True, help_text="What to send as `after`; null at the end.")
    has_more = serializers.BooleanField(
        help_text="Whether to go on. A page may have fewer hits than `limit`, or none, and more may follow."
    )
    incomplete = serializers.BooleanField(
        help_text="The account has messages that are not in the index yet, as after an upgrade or an import; "
        "each search puts some thousand there."
    )
