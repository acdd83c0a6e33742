"""What the calls that export and import take and answer."""

from __future__ import annotations

import uuid
from rest_framework import serializers

from conversations.bulk_changes import MOST_IDS
from conversations.portability.exporting import ExportFormat
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
