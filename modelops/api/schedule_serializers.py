"""What the calls about windows of the week take and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from gateway.rest import StrictSerializer
from modelops.domain.switching.states import DrainPolicy
from modelops.models import DEFAULT_SLOT
from modelops.models.schedule import LONGEST_DRAIN_S

CLOCK = "%H:%M"
POLICIES = [policy.value for policy in DrainPolicy]


class WindowChangeSerializer(StrictSerializer):
    """The fields of a window that can be changed."""

    name = serializers.CharField(max_length=80)
    weekdays = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6),
        max_length=7,
        help_text="On which it begins: 0 is Monday, 6 is Sunday.",
    )
    begins = serializers.TimeField(format=CLOCK, help_text="As clocks in its time zone show it.")
    ends = serializers.TimeField(
        format=CLOCK, help_text="On the next day where that is not later than its beginning."
    )
    time_zone = serializers.CharField(max_length=64, help_text="Such as Asia/Seoul.")
    profile = serializers.CharField(max_length=64, help_text="What the slot serves meanwhile.")
    drain_policy = serializers.ChoiceField(
        choices=POLICIES,
        required=False,
        allow_blank=True,
        default="",
        help_text="What happens to answers that run for longer; empty: SWITCH_DRAIN_POLICY.",
    )
    drain_timeout_s = serializers.IntegerField(
        min_value=0,
        max_value=LONGEST_DRAIN_S,
        required=False,
        allow_null=True,
        default=None,
        help_text="How long running answers get; null: SWITCH_DRAIN_TIMEOUT.",
    )
    is_active = serializers.BooleanField(required=False, default=True)


class WindowFieldsSerializer(WindowChangeSerializer):
    """All of them, as they are set."""

    slot = serializers.CharField(max_length=40, required=False, default=DEFAULT_SLOT)


class WindowSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slot = serializers.CharField(source="slot.slug")
    name = serializers.CharField()
    weekdays = serializers.ListField(child=serializers.IntegerField())
    begins = serializers.TimeField(format=CLOCK)
    ends = serializers.TimeField(format=CLOCK)
    time_zone = serializers.CharField()
    profile = serializers.CharField()
    drain_policy = serializers.CharField()
    drain_timeout_s = serializers.IntegerField(allow_null=True)
    is_active = serializers.BooleanField()


class ComingSerializer(serializers.Serializer[Any]):
    """A switch that the schedule will ask for."""

    slot = serializers.CharField()
    at = serializers.DateTimeField()
    profile = serializers.CharField(allow_null=True, help_text="null: what the slot serves anyway.")
    window = serializers.CharField(allow_null=True, help_text="null where the usual profile comes back.")


class ScheduleSerializer(serializers.Serializer[Any]):
    windows = WindowSerializer(many=True)
    coming = ComingSerializer(many=True, help_text="Of the next 7 days, by slot and time.")
