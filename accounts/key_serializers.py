"""What the calls about API keys take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from accounts.api_keys import DEFAULT_OVERLAP_S, MAX_OVERLAP_S
from accounts.models import ApiKey
from accounts.models.keys import MAX_KEY_NAME
from accounts.scopes import Scope
from gateway.rest import StrictSerializer

MAX_MODELS = 50
MAX_MODEL_NAME = 200


class ApiKeyFieldsSerializer(StrictSerializer):
    """What an owner says about a key; with `partial=True`, what they change."""

    name = serializers.CharField(max_length=MAX_KEY_NAME)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), allow_empty=False, max_length=len(Scope)
    )
    models = serializers.ListField(
        child=serializers.CharField(max_length=MAX_MODEL_NAME),
        required=False,
        max_length=MAX_MODELS,
        help_text="Names of the models that the key may use; empty: every model.",
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("This time is in the past.")
        return value


class RotationSerializer(StrictSerializer):
    overlap_s = serializers.IntegerField(
        default=DEFAULT_OVERLAP_S,
        min_value=0,
        max_value=MAX_OVERLAP_S,
        help_text="For how many seconds the old key goes on working.",
    )


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    prefix = serializers.CharField(source="shown_prefix", help_text="How the key begins.")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    models = serializers.ListField(child=serializers.CharField(), source="allowed_models")
    replaced_by = serializers.PrimaryKeyRelatedField[ApiKey](read_only=True, allow_null=True)

    class Meta:
        model = ApiKey
        fields = [
            "id",
            "name",
            "prefix",
            "scopes",
            "models",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
            "replaced_by",
            "overlap_until",
        ]
        read_only_fields = fields


class IssuedKeySerializer(ApiKeySerializer):
    key = serializers.CharField(help_text="The key itself, shown this once.")

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]
        read_only_fields = fields


class ApiKeyListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = ApiKeySerializer(many=True)  # type: ignore[assignment]  # a field, not the property
