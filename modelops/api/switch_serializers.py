"""What the calls about switching take and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from gateway.rest import StrictSerializer
from modelops.api.profile_serializers import FitSerializer, HardwareSerializer
from modelops.domain.engine_log.remedies import RemedyKind
from modelops.domain.switching.request import LONGEST_CONTEXT, SHORTEST_CONTEXT
from modelops.domain.switching.states import DrainPolicy, SwitchState
from modelops.domain.tasks import ModelTask
from modelops.models import DEFAULT_SLOT
from modelops.switching.slot_status import ServiceState

FOR_ADMINS = "null for everybody but admins."


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
