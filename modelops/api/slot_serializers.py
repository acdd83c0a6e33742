"""What the calls about slots take and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from gateway.rest import StrictSerializer
from modelops.api.plan_serializers import FOR_ADMINS
from modelops.switching.slot_status import ServiceState

MOST_GPUS = 64
STATES = ", ".join([*ServiceState, "retiring", "retired"])


class SlotQuerySerializer(StrictSerializer):
    retired = serializers.BooleanField(default=False, help_text="Retired slots as well.")


class SlotWishSerializer(StrictSerializer):
    """What is to be said of a slot; what is left out stays as it is."""

    gpus = serializers.ListField(
        child=serializers.CharField(max_length=64),
        max_length=MOST_GPUS,
        required=False,
        help_text="Numbers or UUIDs of cards of its box; none means every one.",
    )
    has_gpus = serializers.BooleanField(
        required=False, help_text="false for engines that need no card, as the simulated one."
    )
    runtime = serializers.CharField(
        max_length=20,
        required=False,
        allow_blank=True,
        help_text="The only runtime that its engines may use; empty: each profile's own.",
    )
    box = serializers.CharField(
        max_length=255,
        required=False,
        allow_blank=True,
        help_text="Name or host of the box; needed where several are heard of.",
    )
    dry_run = serializers.BooleanField(
        default=False, help_text="Only answer with what would be; nothing is written."
    )


class SlotCreationSerializer(SlotWishSerializer):
    name = serializers.CharField(max_length=40, help_text="Lower-case letters, digits and dashes.")


class SlotRetirementSerializer(StrictSerializer):
    stop = serializers.BooleanField(
        default=False, help_text="End its engine first, as running answers end; the answer is then 202."
    )
    force = serializers.BooleanField(
        default=False, help_text="At once, for a box that is gone: engines that run there stay as they are."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Only answer with what would be.")


class BoxGpuSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Its UUID, or its number where it tells none.")
    index = serializers.IntegerField(allow_null=True, help_text="Its number; null while it is not there.")
    name = serializers.CharField(allow_null=True)
    total_bytes = serializers.IntegerField(allow_null=True)


class BoxOfSlotSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    host = serializers.CharField(allow_blank=True)
    is_heard = serializers.BooleanField(help_text="Whether its switcher has been heard of lately.")


class BoxSerializer(BoxOfSlotSerializer):
    seen_at = serializers.DateTimeField(allow_null=True)
    gpus = BoxGpuSerializer(many=True, allow_null=True, help_text="null where nobody has read them.")


class SlotSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    is_default = serializers.BooleanField(help_text="`current` means what it serves.")
    state = serializers.CharField(help_text=f"{STATES}; docs/switching.md explains them.")
    current_profile = serializers.CharField(allow_null=True, help_text="What answers requests now.")
    desired_profile = serializers.CharField(allow_null=True, help_text="What it should serve.")
    has_gpus = serializers.BooleanField()
    takes_every_gpu = serializers.BooleanField(help_text="It has every card of its box.")
    gpus = BoxGpuSerializer(many=True, allow_null=True, help_text=f"Its own cards; {FOR_ADMINS}")
    runtime = serializers.CharField(allow_null=True, help_text="The only one that its engines may use.")
    box = BoxOfSlotSerializer(allow_null=True, help_text=f"null also while it is no box's; {FOR_ADMINS}")
    retired_at = serializers.DateTimeField(allow_null=True)


class SlotListSerializer(serializers.Serializer[Any]):
    slots = SlotSerializer(many=True, help_text="The default one first.")
    boxes = BoxSerializer(many=True, help_text="None for everybody but admins.")


class SlotChangeSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    changes = serializers.DictField(
        child=serializers.ListField(), help_text="By field: its value before and after."
    )
    slot = SlotSerializer()
