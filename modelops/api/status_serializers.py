"""What is served, and whether, as `GET /api/models/status` answers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from modelops.api.plan_serializers import FOR_ADMINS, LastErrorSerializer
from modelops.api.profile_serializers import HardwareSerializer
from modelops.domain.tasks import ModelTask
from modelops.switching.slot_status import ServiceState


class BriefSwitchSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    from_profile = serializers.CharField(allow_null=True)
    to_profile = serializers.CharField()
    state = serializers.CharField()
    created_at = serializers.DateTimeField()
    cancel_requested = serializers.BooleanField()


class DrainingSerializer(serializers.Serializer[Any]):
    """While `switch` is draining: what it waits for."""

    running = serializers.IntegerField(help_text="Answers that still run on the old engine.")
    deadline = serializers.DateTimeField(help_text="How long they get.")
    policy = serializers.CharField(help_text="What happens then: wait, cut or abandon.")


class OpenRequestsSerializer(serializers.Serializer[Any]):
    running = serializers.IntegerField(help_text="Answers that are being generated.")
    waiting = serializers.IntegerField(help_text="Requests that wait for the model, or for a place at it.")


class RestingSerializer(serializers.Serializer[Any]):
    """The next request wakes it."""

    profile = serializers.CharField()
    is_asleep = serializers.BooleanField(help_text="It sleeps; otherwise it was stopped and is started anew.")
    wake_s = serializers.FloatField(allow_null=True, help_text="How long that usually takes, in seconds.")


class ReplicaSerializer(serializers.Serializer[Any]):
    replica = serializers.IntegerField(help_text="0 is the leader, which switches are about.")
    name = serializers.CharField(allow_null=True, help_text=f"Of the container or process. {FOR_ADMINS}")
    state = serializers.CharField(help_text="starting, serving or leaving.")
    since = serializers.DateTimeField(allow_null=True, help_text="When it was ready.")


class ReplicasSerializer(serializers.Serializer[Any]):
    """The engines of a profile that runs as several."""

    wanted = serializers.IntegerField()
    serving = serializers.IntegerField()
    problem = serializers.CharField(allow_null=True, help_text="Why one is missing.")
    engines = ReplicaSerializer(many=True)


class SlotStatusSerializer(serializers.Serializer[Any]):
    state = serializers.CharField(help_text=", ".join(str(each) for each in ServiceState))
    current_profile = serializers.CharField(allow_null=True, help_text="What answers requests now.")
    tasks = serializers.ListField(
        child=serializers.CharField(),
        allow_null=True,
        help_text=f"What it can be asked for ({', '.join(ModelTask)}); null where that is not known.",
    )
    since = serializers.DateTimeField(allow_null=True)
    phase = serializers.CharField(allow_null=True, help_text="Of the engine's start-up, or of the switch.")
    progress = serializers.IntegerField(allow_null=True, help_text="Percent.")
    eta_s = serializers.IntegerField(allow_null=True)
    detail = serializers.CharField(allow_null=True)
    requests = OpenRequestsSerializer(allow_null=True, help_text="Of everybody, a few seconds ago at most.")
    draining = DrainingSerializer(allow_null=True)
    switch = BriefSwitchSerializer(allow_null=True)
    waiting = BriefSwitchSerializer(allow_null=True, help_text="The wish whose turn comes after `switch`.")
    last_error = LastErrorSerializer(allow_null=True)
    retry_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When what should serve is started again, while nothing does; asking for it starts it now.",
    )
    resting = RestingSerializer(allow_null=True, help_text="While nobody uses the slot: what would wake.")
    replicas = ReplicasSerializer(allow_null=True, help_text="Of a profile with several engines.")
    box = serializers.CharField(allow_null=True, help_text=f"The host that the slot is on. {FOR_ADMINS}")


class NamedSlotStatusSerializer(SlotStatusSerializer):
    slot = serializers.CharField()


class SwitcherSerializer(serializers.Serializer[Any]):
    alive = serializers.BooleanField()
    seen_at = serializers.DateTimeField(allow_null=True)
    host = serializers.CharField(allow_null=True, help_text=FOR_ADMINS)
    notices = serializers.ListField(
        child=serializers.CharField(),
        help_text=f"Switchers that leave slots alone, as those are on other boxes. {FOR_ADMINS}",
    )


TOLD_TO_ANYBODY = ("state", "current_profile")


class StatusSerializer(SlotStatusSerializer):
    """The default slot first. Without a credential: `state` and `current_profile` alone."""

    hardware = HardwareSerializer()
    switcher = SwitcherSerializer()
    slots = NamedSlotStatusSerializer(many=True)

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        for name, field in fields.items():
            field.required = name in TOLD_TO_ANYBODY
        return fields
