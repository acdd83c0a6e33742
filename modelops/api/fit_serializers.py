"""What the calls for advice take and answer: a profile's report, and models for a number of users."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from modelops.api.profile_serializers import HardwareQuerySerializer, HardwareSerializer
from modelops.domain.fit.demand import Holding
from modelops.domain.fit.report import Aim, LimitingTerm, Verdict
from modelops.fit.demand_fits import MOST_TOKENS, MOST_USERS


class FitQuerySerializer(HardwareQuerySerializer):
    profile = serializers.CharField(max_length=64, help_text="The slug.")
    aim = serializers.ChoiceField(
        choices=[str(each) for each in Aim],
        default=str(Aim.AS_ASKED),
        help_text="What suggestions are to reach.",
    )


class SuggestionSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    text = serializers.CharField(help_text="What to change.")
    changes = serializers.DictField(help_text="Settings of the profile with their new values.")
    verdict = serializers.ChoiceField(choices=[str(each) for each in Verdict])
    max_model_len = serializers.IntegerField(allow_null=True)
    max_model_len_that_fits = serializers.IntegerField()
    max_concurrency = serializers.FloatField(allow_null=True)
    gpu_count = serializers.IntegerField()
    gains = serializers.ListField(child=serializers.CharField())
    costs = serializers.ListField(child=serializers.CharField())


class FitReportSerializer(serializers.Serializer[Any]):
    """Sizes are those of one GPU. There are more of them, under the names of `check_fit --json`."""

    verdict = serializers.ChoiceField(choices=[str(each) for each in Verdict])
    limit = serializers.ChoiceField(choices=[str(each) for each in LimitingTerm])
    reasons = serializers.ListField(child=serializers.CharField())
    notes = serializers.ListField(child=serializers.CharField())
    kv_cache_bytes = serializers.IntegerField(allow_null=True)
    kv_cache_tokens = serializers.IntegerField(allow_null=True)
    max_model_len = serializers.IntegerField(allow_null=True)
    max_model_len_that_fits = serializers.IntegerField(allow_null=True)
    max_concurrency = serializers.FloatField(allow_null=True)
    aim = serializers.ChoiceField(choices=[str(each) for each in Aim])
    suggestions = SuggestionSerializer(many=True, help_text="At most three, the best first.")


class FitAnswerSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    hardware = HardwareSerializer()
    report = FitReportSerializer()


class DemandQuerySerializer(HardwareQuerySerializer):
    users = serializers.IntegerField(min_value=1, max_value=MOST_USERS, help_text="People who ask at once.")
    tokens = serializers.IntegerField(
        min_value=1, max_value=MOST_TOKENS, help_text="Tokens of each of their requests, on average."
    )
    models = serializers.CharField(
        max_length=2000,
        required=False,
        help_text="Slugs or repositories, with commas; without it all enabled profiles.",
    )


class DemandSerializer(serializers.Serializer[Any]):
    users = serializers.IntegerField()
    tokens = serializers.IntegerField()


class DemandFitSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    holding = serializers.ChoiceField(
        choices=[str(each) for each in Holding],
        help_text="`tight`: by the estimate, but not at its lower edge, which nine starts in ten reach.",
    )
    why = serializers.CharField()
    sure_requests = serializers.IntegerField(help_text="Requests at once at the lower edge.")
    expected_requests = serializers.IntegerField(help_text="Requests at once by the estimate.")
    margin = serializers.FloatField(help_text="Sure requests for each user.")
    verdict = serializers.ChoiceField(choices=[str(each) for each in Verdict])
    tensor_parallel_size = serializers.IntegerField()
    context = serializers.IntegerField(  # type: ignore[assignment]  # its JSON name
        allow_null=True
    )
    changes = serializers.DictField(help_text="Settings to change for it.")
    settings = serializers.CharField(help_text="The same as flags of the engine.")
    costs = serializers.ListField(child=serializers.CharField(), help_text="What these changes cost.")


class DemandAnswerSerializer(serializers.Serializer[Any]):
    demand = DemandSerializer()
    hardware = HardwareSerializer()
    recommendations = DemandFitSerializer(many=True, help_text="The best first.")
