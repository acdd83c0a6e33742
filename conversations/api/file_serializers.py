"""What the calls on files take and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from conversations.models import StoredFile
from gateway.rest import StrictSerializer

MAX_PAGE = 100
BYTES_PER_TOKEN = 4
"""About as many as English text has; an engine's own count decides what fits."""


class FileSerializer(serializers.ModelSerializer[StoredFile]):
    text_tokens_estimate = serializers.SerializerMethodField(
        help_text="Of a document's text in a prompt, roughly; null for an image."
    )

    class Meta:
        model = StoredFile
        fields = ["id", "kind", "name", "media_type", "size_bytes", "text_tokens_estimate", "created_at"]

    def get_text_tokens_estimate(self, file: StoredFile) -> int | None:
        return -(-file.text_bytes // BYTES_PER_TOKEN) if file.text_bytes else None


class NewFileSerializer(StrictSerializer):
    file = serializers.FileField(max_length=None, allow_empty_file=False)


class FileQuerySerializer(StrictSerializer):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=20)
    after = serializers.UUIDField(required=False, help_text="`last_id` of the page before.")


class FileListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = FileSerializer(many=True)  # type: ignore[assignment]  # OpenAI's name for it
    first_id = serializers.UUIDField(allow_null=True)
    last_id = serializers.UUIDField(allow_null=True)
    has_more = serializers.BooleanField()
