"""What the calls about folders take and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from conversations.models import Folder
from conversations.models.folders import MAX_FOLDER_NAME
from gateway.rest import StrictSerializer


class FolderFieldsSerializer(StrictSerializer):
    name = serializers.CharField(max_length=MAX_FOLDER_NAME)


class FolderSerializer(serializers.ModelSerializer[Folder]):
    class Meta:
        model = Folder
        fields = ["id", "name", "created_at"]
        read_only_fields = fields


class FolderListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = FolderSerializer(many=True)  # type: ignore[assignment]  # a field, not the property
