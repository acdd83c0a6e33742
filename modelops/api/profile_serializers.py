"""What the model calls take and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from gateway.rest import StrictSerializer
from modelops.domain.fit.report import LimitingTerm, Verdict
from modelops.domain.tasks import ModelTask, expect_tasks
from modelops.fit.profile_fits import ProfileFit
from modelops.fit.summary import reduce_fit, summarise_fit


class StartSizesSerializer(serializers.Serializer[Any]):
    """Of one GPU; null where it is not known."""

    weights_bytes = serializers.IntegerField(allow_null=True)
    activation_bytes = serializers.IntegerField(allow_null=True)
    non_torch_bytes = serializers.IntegerField(allow_null=True)
    cuda_graph_bytes = serializers.IntegerField(allow_null=True)
    kv_cache_bytes = serializers.IntegerField(allow_null=True)
    kv_cache_tokens = serializers.IntegerField(allow_null=True)
    max_concurrency = serializers.FloatField(allow_null=True)


class LastStartSerializer(serializers.Serializer[Any]):
    engine = serializers.CharField(allow_null=True, help_text="null for everybody but admins.")
    started_at = serializers.DateTimeField()
    estimate = StartSizesSerializer(help_text="What the fit check expected.")
    actual = StartSizesSerializer(help_text="What the engine's log told.")


class LearntFigureSerializer(serializers.Serializer[Any]):
    figure = serializers.CharField(help_text="Its name in a fit report, such as non_torch_bytes.")
    engines = serializers.ListField(
        child=serializers.CharField(),
        allow_null=True,
        help_text="The starts that measured it, the last first; null for everybody but admins.",
    )
    is_here = serializers.BooleanField(help_text="They ran on this box; else on cards of the same kind.")


class FitSerializer(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(choices=[str(each) for each in Verdict])
    limit = serializers.ChoiceField(
        choices=[str(each) for each in LimitingTerm], help_text="The term that decides."
    )
    why = serializers.CharField(help_text="In words, why this verdict and this tensor parallel size.")
    reasons = serializers.ListField(child=serializers.CharField())
    tensor_parallel_size = serializers.IntegerField(help_text="`auto` resolved for this hardware.")
    context = serializers.IntegerField(  # type: ignore[assignment]  # its JSON name
        allow_null=True, help_text="Tokens it would serve, or the most it could where it does not start."
    )
    max_model_len_that_fits = serializers.IntegerField(allow_null=True)
    max_concurrency = serializers.FloatField(
        allow_null=True, help_text="Requests of full context that fit at once."
    )
    kv_cache_tokens = serializers.IntegerField(allow_null=True)
    calibrated_from = serializers.CharField(
        allow_null=True, help_text="The start whose measured sizes took the place of formulas."
    )
    learnt = LearntFigureSerializer(
        many=True, help_text="Figures that go by what starts of any model measured on such cards."
    )
    last_start = LastStartSerializer(allow_null=True, help_text="The last good one with these settings.")


class DescriptionSerializer(serializers.Serializer[Any]):
    en = serializers.CharField()
    ko = serializers.CharField()


class AdminDetailSerializer(serializers.Serializer[Any]):
    settings = serializers.DictField(help_text="Every field of the profile, as in the YAML.")
    drift = serializers.ListField(
        child=serializers.CharField(), help_text="Fields changed since the YAML was loaded."
    )
    updated_at = serializers.DateTimeField()


class ModelProfileSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="The slug, as `model` takes it.")
    name = serializers.CharField()
    description = DescriptionSerializer()
    tags = serializers.ListField(child=serializers.CharField())
    repository = serializers.CharField()
    served_model_name = serializers.CharField()
    aliases = serializers.ListField(child=serializers.CharField())
    engine = serializers.CharField()
    tasks = serializers.ListField(
        child=serializers.ChoiceField(choices=[str(each) for each in ModelTask]),
        allow_null=True,
        help_text="What the model can be asked for; null where the profile does not say.",
    )
    quantization = serializers.CharField()
    max_model_len = serializers.IntegerField(allow_null=True, help_text="null: the longest that fits.")
    is_default = serializers.BooleanField()
    is_enabled = serializers.BooleanField(help_text="Only admins see disabled profiles.")
    fit = FitSerializer()
    admin = AdminDetailSerializer(allow_null=True, help_text="null for everybody but admins.")


class GpuSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    total_bytes = serializers.IntegerField()
    free_bytes = serializers.IntegerField(allow_null=True)


class HardwareProblemSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()
    advice = serializers.CharField()


class HardwareSerializer(serializers.Serializer[Any]):
    """What the verdicts are about."""

    source = serializers.CharField()  # type: ignore[assignment]  # its JSON name
    description = serializers.CharField()
    taken_at = serializers.DateTimeField(allow_null=True, help_text="When the GPUs were read.")
    gpus = GpuSerializer(many=True, allow_null=True, help_text="null while nothing has read them.")
    problems = HardwareProblemSerializer(many=True, help_text="For admins.")


class ModelProfileListSerializer(serializers.Serializer[Any]):
    profiles = ModelProfileSerializer(many=True)
    hardware = HardwareSerializer()


class RecommendationSerializer(FitSerializer):
    id = serializers.CharField()
    name = serializers.CharField()


class RecommendationListSerializer(serializers.Serializer[Any]):
    hardware = HardwareSerializer()
    recommendations = RecommendationSerializer(many=True, help_text="The best first.")


class HardwareQuerySerializer(StrictSerializer):
    hardware = serializers.CharField(
        max_length=64, required=False, help_text="A hardware profile instead of the GPUs that are there."
    )


class EmptyQuerySerializer(StrictSerializer):
    pass


class ReloadRequestSerializer(StrictSerializer):
    force = serializers.BooleanField(default=False, help_text="Overwrite what was changed by hand, too.")
    dry_run = serializers.BooleanField(default=False, help_text="Only tell what would change.")


class DriftSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    fields = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]  # its JSON name


class InvalidEntrySerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    slug = serializers.CharField()
    field = serializers.CharField()
    reason = serializers.CharField()


class ChangesSerializer(serializers.Serializer[Any]):
    created = serializers.ListField(child=serializers.CharField())
    updated = serializers.ListField(child=serializers.CharField())
    unchanged = serializers.ListField(child=serializers.CharField())
    drifted = DriftSerializer(many=True, help_text="Changed by hand, and so left alone.")
    missing = serializers.ListField(child=serializers.CharField(), help_text="No longer in the file.")


class ReloadResultSerializer(ChangesSerializer):
    """With anything in `invalid`, nothing was changed."""

    invalid = InvalidEntrySerializer(many=True)
    hardware_profiles = ChangesSerializer()
    dry_run = serializers.BooleanField()


def serialise_profile(fit: ProfileFit, *, for_admin: bool) -> dict[str, Any]:
    """A profile as `ModelProfileSerializer` has it: only admins see how the engine is started."""
    profile = fit.profile
    detail = {
        "settings": profile.get_values(),
        "drift": list(profile.find_drift()),
        "updated_at": profile.updated_at,
    }
    return {
        "id": profile.slug,
        "name": profile.display_name,
        "description": {"en": profile.description_en, "ko": profile.description_ko},
        "tags": profile.tags,
        "repository": profile.repository,
        "served_model_name": profile.served_model_name or profile.slug,
        "aliases": profile.aliases,
        "engine": profile.engine,
        "tasks": expect_tasks(profile.get_values()),
        "quantization": profile.quantization,
        "max_model_len": profile.max_model_len,
        "is_default": profile.is_default,
        "is_enabled": profile.is_enabled,
        "fit": reduce_fit(summarise_fit(fit), for_admin=for_admin),
        "admin": detail if for_admin else None,
    }
