"""What the calls that export and import take and answer."""

from __future__ import annotations

import uuid
from typing import Any

from rest_framework import serializers

from conversations.bulk_changes import MOST_IDS
from conversations.portability.exporting import ExportFormat
from conversations.portability.readers import ImportSource
from gateway.ids import parse_id
from gateway.rest import StrictSerializer


class ExportQuerySerializer(StrictSerializer):
    format = serializers.ChoiceField(ExportFormat.choices, default=ExportFormat.JSON.value)


class ManyExportQuerySerializer(ExportQuerySerializer):
    ids = serializers.CharField(
        required=False, help_text="Of conversations, separated by commas; left out: all, but not the trash."
    )

    def validate_ids(self, ids: str) -> list[uuid.UUID]:
        found = [parse_id(text) for text in ids.split(",")]
        if len(found) > MOST_IDS:
            raise serializers.ValidationError(f"At most {MOST_IDS} ids.")
        known = [id_ for id_ in found if id_ is not None]
        if len(known) < len(found):
            raise serializers.ValidationError("Expected ids separated by commas.")
        return known


class ImportQuerySerializer(StrictSerializer):
    format = serializers.ChoiceField(
        ImportSource.choices, required=False, help_text="Left out: each conversation's shape says what it is."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Say what would be taken, and take nothing.")


class SkippedItemSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="Of the conversation, file or folder; else its place in the file.")
    reason = serializers.CharField()


class TakenSerializer(serializers.Serializer[Any]):
    conversations = serializers.IntegerField()
    messages = serializers.IntegerField()
    files = serializers.IntegerField(help_text="Those that the account did not have.")


class ImportReportSerializer(serializers.Serializer[Any]):
    format = serializers.CharField(allow_null=True)
    dry_run = serializers.BooleanField()
    taken = TakenSerializer()
    already_here = serializers.IntegerField(help_text="Conversations that the account has already.")
    skipped = SkippedItemSerializer(many=True, help_text="A hundred of what was not taken.")
    skipped_count = serializers.IntegerField(help_text="All of that.")
