"""What the calls about switching take and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from gateway.rest import StrictSerializer
from modelops.api.plan_serializers import FOR_ADMINS, CauseSerializer, PlanSerializer, RemedySerializer
from modelops.domain.switching.request import LONGEST_CONTEXT, SHORTEST_CONTEXT
from modelops.domain.switching.states import DrainPolicy, SwitchState
from modelops.models import DEFAULT_SLOT


class SwitchRequestSerializer(StrictSerializer):
    profile_id = serializers.CharField(max_length=64, help_text="Slug of the profile to serve.")
    dry_run = serializers.BooleanField(default=False, help_text="Only answer with the plan.")
    force = serializers.BooleanField(default=False, help_text="Go on although the fit check says no.")
    reason = serializers.CharField(
        max_length=500, default="", allow_blank=True, help_text="Kept in the history."
    )
    drain_timeout_s = serializers.IntegerField(
        min_value=0, max_value=86400, required=False, help_text="Seconds that running answers get."
    )
    drain_policy = serializers.ChoiceField(
        choices=[str(each) for each in DrainPolicy],
        required=False,
        help_text="What happens to answers that run longer.",
    )
    slot = serializers.CharField(max_length=40, default=DEFAULT_SLOT)
    max_model_len = serializers.IntegerField(
        min_value=SHORTEST_CONTEXT,
        max_value=LONGEST_CONTEXT,
        required=False,
        help_text="Context in tokens, in place of the profile's.",
    )
    keep_context = serializers.BooleanField(
        default=False,
        help_text="Have the profile ask for `max_model_len` from now on, if the switch is accepted.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["keep_context"] and "max_model_len" not in attrs:
            raise serializers.ValidationError({"keep_context": "It is max_model_len that is kept: name it."})
        return attrs


class SwitchQuerySerializer(StrictSerializer):
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    after = serializers.UUIDField(required=False, help_text="`last_id` of the page before.")
    profile = serializers.CharField(max_length=64, required=False, help_text="Switches to this profile.")
    state = serializers.ChoiceField(choices=[str(each) for each in SwitchState], required=False)
    slot = serializers.CharField(max_length=40, required=False)


class EngineQuerySerializer(StrictSerializer):
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    slot = serializers.CharField(max_length=40, required=False)


class LinksSerializer(serializers.Serializer[Any]):
    self = serializers.CharField()
    cancel = serializers.CharField()
    events = serializers.CharField()


class SwitchSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slot = serializers.CharField()
    from_profile = serializers.CharField(allow_null=True)
    to_profile = serializers.CharField()
    state = serializers.CharField(help_text="docs/switching.md explains each.")
    is_live = serializers.BooleanField(help_text="false once it has ended.")
    phase = serializers.CharField(allow_null=True, help_text="Of the engine's start-up.")
    detail = serializers.CharField(allow_null=True)
    progress = serializers.IntegerField(allow_null=True, help_text="Percent.")
    eta_s = serializers.IntegerField(allow_null=True)
    via = serializers.CharField(help_text="api, admin, command, chat or system.")
    actor = serializers.CharField(allow_null=True, help_text=FOR_ADMINS)
    reason = serializers.CharField(allow_null=True, help_text=FOR_ADMINS)
    force = serializers.BooleanField()
    drain_timeout_s = serializers.IntegerField()
    drain_policy = serializers.CharField()
    max_model_len = serializers.IntegerField(allow_null=True, help_text="Context instead of the profile's.")
    root_cause = CauseSerializer(allow_null=True)
    restore_cause = CauseSerializer(allow_null=True, help_text="Why going back failed as well.")
    cancel_requested_at = serializers.DateTimeField(allow_null=True)
    superseded_by = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    links = LinksSerializer()


class SwitchEventSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    state = serializers.CharField()
    message = serializers.CharField(allow_null=True, help_text=FOR_ADMINS)


class ReducedContextSerializer(serializers.Serializer[Any]):
    """It came up with a shorter context than it was asked for."""

    max_model_len = serializers.IntegerField(help_text="What it serves, in tokens.")
    wanted = serializers.IntegerField(
        allow_null=True, help_text="What was asked for; null: all the model has."
    )
    can_be_kept = serializers.BooleanField(help_text="By POST …/keep-context, while it serves.")
    is_kept = serializers.BooleanField(help_text="The profile asks for it by now.")


class SwitchDetailSerializer(SwitchSerializer):
    state_seconds = serializers.DictField(child=serializers.FloatField(), help_text="Time in each state.")
    attempts = serializers.IntegerField(help_text="Starts of the new engine.")
    plan = PlanSerializer(allow_null=True)
    events = SwitchEventSerializer(many=True)
    log_tail = serializers.CharField(allow_null=True, help_text=FOR_ADMINS)
    remedies = RemedySerializer(
        many=True, help_text="What can be done about the root cause; none for everybody but admins."
    )
    reduced_context = ReducedContextSerializer(allow_null=True)


class AcceptedSwitchSerializer(SwitchDetailSerializer):
    joined = serializers.BooleanField(help_text="It was under way already.")
    taken_over = serializers.ListField(
        child=serializers.CharField(),
        help_text="Settings of a request that joined which the switch now goes by; no others count.",
    )


class PlanAnswerSerializer(serializers.Serializer[Any]):
    """Nothing was started: only a plan was asked for, or the profile is active already."""

    dry_run = serializers.BooleanField()
    already_active = serializers.BooleanField()
    plan = PlanSerializer()


class SwitchListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = SwitchSerializer(many=True)  # type: ignore[assignment]  # OpenAI's name for it
    first_id = serializers.UUIDField(allow_null=True)
    last_id = serializers.UUIDField(allow_null=True)
    has_more = serializers.BooleanField()


class EngineSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField(allow_null=True, help_text=FOR_ADMINS)
    slot = serializers.CharField()
    generation = serializers.IntegerField()
    replica = serializers.IntegerField(help_text="0 for the leader, and where there is one engine.")
    profile = serializers.CharField()
    state = serializers.CharField(help_text="starting, serving, asleep or ended.")
    max_model_len = serializers.IntegerField(allow_null=True)
    gpu_name = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    ready_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    phase_seconds = serializers.DictField(child=serializers.FloatField())
    estimate = serializers.DictField(allow_null=True, help_text="What the fit check expected, in bytes.")
    actual = serializers.DictField(allow_null=True, help_text="What its log told, under the same names.")


class EngineListSerializer(serializers.Serializer[Any]):
    engines = EngineSerializer(many=True, help_text="The newest first.")
