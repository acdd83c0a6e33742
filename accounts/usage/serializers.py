"""What the report of usage takes and answers."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from accounts.models import MAX_MODEL_LABEL
from accounts.usage.report import GROUPS, MOST_DAYS
from gateway.rest import StrictSerializer

DEFAULT_DAYS = 30
MAX_PAGE = 1000
MAX_CURSOR = 2000


class UsageQuerySerializer(StrictSerializer):
    to = serializers.DateField(required=False, help_text="The last day in UTC; today when left out.")
    group_by = serializers.CharField(
        default="day", max_length=100, help_text=f"Separated by commas: {', '.join(GROUPS)}."
    )
    scope = serializers.ChoiceField(
        ["own", "all"], default="own", help_text="`all`: everybody's, for administrators."
    )
    user = serializers.CharField(
        required=False, max_length=254, help_text="Another account, by its id or name; for administrators."
    )
    model = serializers.CharField(required=False, max_length=MAX_MODEL_LABEL)
    key = serializers.UUIDField(required=False, help_text="What was used with this API key.")
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_PAGE, default=MAX_PAGE, help_text="Rows of a page; CSV has all of them."
    )
    after = serializers.CharField(
        required=False, max_length=MAX_CURSOR, help_text="`next` of the page before."
    )
    format = serializers.ChoiceField(["json", "csv"], default="json")

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which no attribute can be called."""
        first = serializers.DateField(
            required=False,
            help_text=f"The first day in UTC; {DEFAULT_DAYS} days with the last one when left out, "
            f"{MOST_DAYS} at most.",
        )
        return {"from": first, **super().get_fields()}

    def validate_group_by(self, value: str) -> tuple[str, ...]:
        groups = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
        for name in groups:
            if name not in GROUPS:
                raise serializers.ValidationError(f"Expected some of {', '.join(GROUPS)}.")
        return groups

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        last: date = attrs.setdefault("to", timezone.now().date())
        first = attrs.setdefault("from", date.fromordinal(max(1, last.toordinal() - DEFAULT_DAYS + 1)))
        if first > last:
            raise serializers.ValidationError({"from": ["Comes after `to`."]})
        if (last - first).days >= MOST_DAYS:
            raise serializers.ValidationError({"from": [f"A report covers {MOST_DAYS} days at most."]})
        return attrs


class UsageSumsSerializer(serializers.Serializer[Any]):
    requests = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Of them; also those that were refused after admission.")
    cancelled = serializers.IntegerField(help_text="Of them.")
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    estimated_tokens = serializers.IntegerField(help_text="Of them, those that no engine has counted.")
    mean_latency_ms = serializers.IntegerField(allow_null=True, help_text="Of complete answers.")
    mean_ttft_ms = serializers.IntegerField(allow_null=True, help_text="To the first token of a stream.")
    cost = serializers.FloatField(help_text="At the prices when it was used.")


class UsageRowSerializer(UsageSumsSerializer):
    """The fields of a group are there where the report is grouped by it."""

    day = serializers.DateField(required=False)
    model = serializers.CharField(required=False, help_text="Empty where a request reached none.")
    key_id = serializers.UUIDField(required=False, allow_null=True, help_text="null for sessions.")
    key_name = serializers.CharField(required=False, help_text="Empty for sessions.")
    user_id = serializers.UUIDField(required=False)
    username = serializers.CharField(required=False)
    endpoint = serializers.CharField(required=False, help_text="Path of the requests, or `title`.")


class UsageReportSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    group_by = serializers.ListField(child=serializers.CharField())
    currency = serializers.CharField(help_text="Of `cost`.")
    data = UsageRowSerializer(many=True)  # type: ignore[assignment]  # a field, not the property
    totals = UsageSumsSerializer(help_text="Of the whole report, whatever the page.")
    next = serializers.CharField(allow_null=True, help_text="`after` of the next page.")
    has_more = serializers.BooleanField()

    def get_fields(self) -> dict[str, Any]:
        return {"from": serializers.DateField(), "to": serializers.DateField(), **super().get_fields()}
