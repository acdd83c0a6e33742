"""What the calls about switching answer of plans, and of what went wrong."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from modelops.api.profile_serializers import FitSerializer
from modelops.domain.engine_log.remedies import RemedyKind

FOR_ADMINS = "null for everybody but admins."


class CauseSerializer(serializers.Serializer[Any]):
    """Why it failed, and what to do about it."""

    code = serializers.CharField()
    message = serializers.CharField()
    advice = serializers.CharField()
    retry_max_model_len = serializers.IntegerField(
        allow_null=True, help_text="The context to try again with."
    )
    evidence = serializers.CharField(allow_null=True, help_text=f"The line of the log; {FOR_ADMINS}")


class GpuHolderSerializer(serializers.Serializer[Any]):
    """A process that is not the gateway's and holds memory of a card, as it was read last."""

    gpu = serializers.IntegerField(help_text="Number of the card.")
    pid = serializers.IntegerField()
    name = serializers.CharField(allow_blank=True, help_text="Its command, as the machine shows it.")
    used_bytes = serializers.IntegerField(allow_null=True)
    container = serializers.CharField(allow_blank=True)


class RemedySerializer(serializers.Serializer[Any]):
    """Something that helps against the cause; the likeliest comes first."""

    kind = serializers.ChoiceField(choices=[str(each) for each in RemedyKind])
    title = serializers.CharField(help_text="What a button would say.")
    hint = serializers.CharField(allow_null=True)
    command = serializers.CharField(allow_null=True, help_text="The same on the command line.")
    max_model_len = serializers.IntegerField(allow_null=True, help_text="Of retry_with_context.")
    fields = serializers.ListField(  # type: ignore[assignment]  # the name that it has in JSON
        child=serializers.CharField(), help_text="Of edit_profile: settings that may be wrong."
    )
    settings = serializers.ListField(
        child=serializers.CharField(), help_text="Of change_setting: variables of the gateway's environment."
    )
    processes = GpuHolderSerializer(many=True, help_text="Of free_gpu: what holds the memory now.")
    request = serializers.DictField(
        allow_null=True,
        help_text="The body for POST /api/models/switch that does it; null where no call does.",
    )


class LastErrorSerializer(CauseSerializer):
    switch_id = serializers.UUIDField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)
    remedies = RemedySerializer(many=True, help_text="What can be done; none for everybody but admins.")


class PlanProblemSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    advice = serializers.CharField()
    may_be_forced = serializers.BooleanField()


class PlanSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text="nothing, start, rename, wake or roll.")
    profile = serializers.CharField()
    from_profile = serializers.CharField(allow_blank=True)
    accepted = serializers.BooleanField()
    forced = serializers.BooleanField()
    tensor_parallel_size = serializers.IntegerField()
    max_model_len = serializers.IntegerField(allow_null=True)
    fetches = serializers.ListField(
        child=serializers.CharField(), help_text="What is fetched while the old model still serves."
    )
    fit = FitSerializer()
    gpu_name = serializers.CharField(allow_blank=True)
    starts_beside = serializers.BooleanField(
        help_text="Whether the new engine starts while the old one still answers."
    )
    warnings = serializers.ListField(child=serializers.CharField())
    typical_seconds = serializers.FloatField(allow_null=True, help_text="What earlier starts took.")
    problems = PlanProblemSerializer(many=True, allow_null=True, help_text=FOR_ADMINS)
    diff = serializers.ListField(
        child=serializers.DictField(), allow_null=True, help_text=f"setting, from, to; {FOR_ADMINS}"
    )
    runtime = serializers.CharField(allow_null=True, help_text=FOR_ADMINS)
    image = serializers.CharField(allow_null=True, help_text=FOR_ADMINS)
    arguments = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text=f"Of the engine; {FOR_ADMINS}"
    )
    environment = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text=f"Names only; {FOR_ADMINS}"
    )
    sleeping_engine = serializers.CharField(allow_null=True, help_text=f"The one to wake; {FOR_ADMINS}")
    estimate = serializers.DictField(
        allow_null=True, help_text=f"What the fit check expects of the start, in bytes; {FOR_ADMINS}"
    )
    gpu_uuids = serializers.ListField(child=serializers.CharField(), allow_null=True, help_text=FOR_ADMINS)
