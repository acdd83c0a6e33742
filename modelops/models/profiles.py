"""Profiles: how a model is served, and on what hardware a check is made."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from gateway.caller_language import say_lazily
from gateway.ids import new_id
from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.profiles import syntax
from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.kinds import Kind
from modelops.domain.profiles.reading import read_hardware
from modelops.domain.profiles.setting import list_settings, to_plain
from modelops.domain.profiles.spec import IDLE_ACTION, ProfileSpec, Spec, to_values
from modelops.domain.runtimes import RUNTIMES, RuntimeKind
from modelops.domain.switching.resting import IdleAction
from modelops.models.profile_reading import read_own_profile

RUNTIME_CHOICES = [(kind.value, traits.label) for kind, traits in RUNTIMES.items()]

NEEDS_IMAGE = functools.reduce(
    operator.or_, (models.Q(runtime=kind.value) for kind, traits in RUNTIMES.items() if traits.needs_image)
)


class EngineChoice(models.TextChoices):
    VLLM = "vllm", "vLLM"
    SIMULATOR = "simulator", "Simulated engine"


def _list_choices(kind: Kind) -> list[tuple[str, str]]:
    return [(word, word) for word in kind.choices]


class SeededModel(models.Model):
    """What rows that a file may seed have in common: validation by the domain, and what the file said."""

    spec_type: type[Spec]

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.CharField(max_length=64, unique=True)
    display_name = models.CharField(max_length=100)
    description_en = models.TextField("description", blank=True)
    description_ko = models.TextField("description in Korean", blank=True)
    seeded_values = models.JSONField(
        null=True, blank=True, editable=False, help_text="What the file said when it was loaded last."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.slug

    def get_values(self) -> dict[str, Any]:
        """The row's settings as plain JSON values under the fields' names."""
        return {each.name: to_plain(getattr(self, each.name)) for each in list_settings(self.spec_type)}

    def set_values(self, spec: Spec) -> None:
        """Take over a spec's settings; nothing is saved."""
        for name, value in to_values(spec).items():
            setattr(self, name, value)

    def find_drift(self) -> tuple[str, ...]:
        """The settings that were changed since the file set them; none for a row that no file set."""
        if self.seeded_values is None:
            return ()
        seeded = {
            each.name: self.seeded_values.get(each.name, to_plain(each.default))
            for each in list_settings(self.spec_type)
        }
        return tuple(name for name, value in self.get_values().items() if value != seeded[name])


class ModelProfileQuerySet(models.QuerySet["ModelProfile"]):
    def enabled(self) -> Self:
        return self.filter(is_enabled=True)

    def find_default(self) -> ModelProfile | None:
        return self.filter(is_default=True).first()


class ModelProfile(SeededModel):
    """One way to serve one model. The fields and their rules are `modelops.domain.profiles.spec`'s."""

    spec_type = ProfileSpec

    tags = models.JSONField(default=list, blank=True)
    is_enabled = models.BooleanField("enabled", default=True)
    is_default = models.BooleanField("default", default=False)

    repository = models.CharField(max_length=200, blank=True)
    revision = models.CharField(max_length=100, blank=True)
    trust_remote_code = models.BooleanField("runs code of the repository", default=False)
    served_model_name = models.CharField(max_length=128, blank=True)
    aliases = models.JSONField(default=list, blank=True)

    engine = models.CharField(max_length=20, choices=EngineChoice, default=EngineChoice.VLLM)
    runtime = models.CharField(max_length=20, choices=RUNTIME_CHOICES, default=RuntimeKind.DOCKER.value)
    image = models.CharField(max_length=255, blank=True)
    gpu_selection = models.JSONField(default=list, blank=True)
    replicas = models.PositiveSmallIntegerField(default=1, db_default=1)
    max_replicas = models.PositiveSmallIntegerField("most replicas", null=True, blank=True)
    accelerator_type = models.CharField(max_length=64, blank=True)

    dtype = models.CharField(max_length=20, choices=_list_choices(syntax.DTYPE), default="auto")
    quantization = models.CharField(max_length=40, blank=True, choices=_list_choices(syntax.QUANTIZATION))
    kv_cache_dtype = models.CharField(
        "KV cache dtype", max_length=20, choices=_list_choices(syntax.CACHE_DTYPE), default="auto"
    )
    max_model_len = models.PositiveIntegerField(null=True, blank=True)
    gpu_memory_utilization = models.FloatField("GPU memory utilization", null=True, blank=True)
    tensor_parallel_size = models.PositiveSmallIntegerField(null=True, blank=True)
    pipeline_parallel_size = models.PositiveSmallIntegerField(default=1)
    max_num_seqs = models.PositiveIntegerField(null=True, blank=True)
    max_num_batched_tokens = models.PositiveIntegerField(null=True, blank=True)
    enforce_eager = models.BooleanField(default=False)
    limit_mm_per_prompt = models.JSONField("most media of a prompt", default=dict, blank=True)
    hf_overrides = models.JSONField("overrides of config.json", default=dict, blank=True)
    speculative_config = models.JSONField("speculative decoding", default=dict, blank=True)
    enable_lora = models.BooleanField("serves adapters (LoRA)", default=False)
    lora_adapters = models.JSONField("adapters", default=dict, blank=True)
    max_loras = models.PositiveSmallIntegerField("adapters in one batch", null=True, blank=True)
    max_lora_rank = models.PositiveSmallIntegerField("highest rank of an adapter", null=True, blank=True)
    tool_call_parser = models.CharField(max_length=64, blank=True)
    reasoning_parser = models.CharField(max_length=64, blank=True)
    chat_template = models.TextField(blank=True)
    default_chat_template_kwargs = models.JSONField("defaults of the template", default=dict, blank=True)
    override_generation_config = models.JSONField("defaults of sampling", default=dict, blank=True)
    structured_outputs_config = models.JSONField("structured outputs", default=dict, blank=True)
    allowed_media_domains = models.JSONField("hosts of media", default=list, blank=True)
    enable_sleep_mode = models.BooleanField(default=False)
    shutdown_timeout_s = models.PositiveIntegerField("shutdown time-out in seconds", default=30)
    extra_flags = models.JSONField(default=dict, blank=True)
    environment = models.JSONField(default=dict, blank=True)

    config = models.JSONField("config.json", default=dict, blank=True)
    draft_config = models.JSONField("config.json of the draft", default=dict, blank=True)
    parameters = models.BigIntegerField(null=True, blank=True)
    weights_bytes = models.BigIntegerField(null=True, blank=True)
    facts_source = models.TextField("source of these facts", blank=True)

    max_concurrent_requests = models.PositiveIntegerField(null=True, blank=True)
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True)

    idle_after_s = models.PositiveIntegerField("rests after seconds without requests", null=True, blank=True)
    idle_action = models.CharField(
        "how it rests", max_length=10, choices=_list_choices(IDLE_ACTION), default=IdleAction.STOP.value
    )

    cost_per_million_prompt_tokens = models.FloatField(null=True, blank=True)
    cost_per_million_completion_tokens = models.FloatField(null=True, blank=True)

    objects = ModelProfileQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="model_profile_one_default",
                violation_error_message="Another profile is the default already.",
            ),
            models.CheckConstraint(
                condition=models.Q(is_default=False) | models.Q(is_enabled=True),
                name="model_profile_default_is_enabled",
            ),
            models.CheckConstraint(
                condition=models.Q(runtime__in=[kind.value for kind in RUNTIMES]),
                name="model_profile_runtime_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(engine__in=EngineChoice.values), name="model_profile_engine_is_known"
            ),
            models.CheckConstraint(
                condition=~NEEDS_IMAGE | ~models.Q(image=""),
                name="model_profile_docker_has_image",
            ),
            models.CheckConstraint(
                condition=models.Q(engine="simulator") | ~models.Q(repository=""),
                name="model_profile_has_repository",
            ),
            models.CheckConstraint(
                condition=models.Q(tensor_parallel_size__isnull=True) | models.Q(tensor_parallel_size__gte=1),
                name="model_profile_tensor_parallel_size",
            ),
            models.CheckConstraint(
                condition=models.Q(pipeline_parallel_size__gte=1), name="model_profile_pipeline_parallel_size"
            ),
            models.CheckConstraint(
                condition=models.Q(gpu_memory_utilization__isnull=True)
                | models.Q(gpu_memory_utilization__gt=0, gpu_memory_utilization__lte=1),
                name="model_profile_gpu_memory_utilization",
            ),
            models.CheckConstraint(condition=models.Q(replicas__gte=1), name="model_profile_replicas"),
        ]

    def clean(self) -> None:
        """Raise ValidationError with every problem, keyed by the field; else store the canonical values."""
        super().clean()
        reading = read_own_profile(self.get_values())
        problems = [*reading.problems, *self._find_conflicts_with_others()]
        if problems or reading.spec is None:
            raise ValidationError(key_by_field(problems))
        self.set_values(reading.spec)

    def _find_conflicts_with_others(self) -> list[FieldError]:
        """There is one default, and the slug of a profile is no name that another profile serves.

        Names that are no slugs may be shared: such a name stands for whichever profile is served.
        """
        others = list(
            type(self)
            .objects.exclude(pk=self.pk)
            .values_list("slug", "is_default", "served_model_name", "aliases", "lora_adapters")
        )
        conflicts = []
        for slug, is_default, served, aliases, adapters in others:
            if self.is_default and is_default:
                conflicts.append(
                    FieldError("is_default", fill_in("{slug} is the default already", slug=repr(slug)))
                )
            if self.slug == served or self.slug in aliases or self.slug in adapters:
                conflicts.append(
                    FieldError("slug", fill_in("is a name that the profile {slug} serves", slug=repr(slug)))
                )
            if slug == self.served_model_name:
                conflicts.append(
                    FieldError(
                        "served_model_name", fill_in("{slug} is another profile's slug", slug=repr(slug))
                    )
                )
            if isinstance(self.lora_adapters, dict) and slug in self.lora_adapters:
                conflicts.append(
                    FieldError(
                        f"lora_adapters.{slug}", fill_in("{slug} is another profile's slug", slug=repr(slug))
                    )
                )
            if isinstance(self.aliases, list) and slug in self.aliases:
                field = f"aliases[{self.aliases.index(slug)}]"
                conflicts.append(
                    FieldError(field, fill_in("{slug} is another profile's slug", slug=repr(slug)))
                )
        return conflicts

    def to_spec(self, **replaced: Any) -> ProfileSpec:
        """The row as a frozen value, with `replaced` in place of its own settings of these names.

        Raises ValidationError for a row that is not valid, also by what was replaced.
        """
        reading = read_own_profile(self.get_values() | replaced)
        if reading.spec is None:
            raise ValidationError(key_by_field(reading.problems))
        return reading.spec


class HardwareProfile(SeededModel):
    """A set of equal cards to check profiles against, present or not."""

    spec_type = HardwareSpec

    gpu_name = models.CharField("GPU name", max_length=100)
    gpu_count = models.PositiveSmallIntegerField("number of GPUs")
    gpu_memory_mib = models.PositiveIntegerField("memory of one GPU in MiB", null=True, blank=True)
    compute_capability = models.CharField(max_length=5, blank=True)
    has_nvlink = models.BooleanField("has NVLink", default=False)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(condition=models.Q(gpu_count__gte=1), name="hardware_profile_gpu_count"),
        ]

    def clean(self) -> None:
        """Raise ValidationError with every problem, keyed by the field; else store the canonical values."""
        super().clean()
        self.set_values(self.to_spec())

    def to_spec(self) -> HardwareSpec:
        """The row as a frozen value. Raises ValidationError for a row that is not valid."""
        reading = read_hardware(self.get_values())
        if reading.spec is None:
            raise ValidationError(key_by_field(reading.problems))
        return reading.spec


def key_by_field(problems: Iterable[FieldError]) -> dict[str, list[str]]:
    """Problems by the field they belong to; the rest of a dotted name goes into the reason."""
    keyed: dict[str, list[str]] = {}
    for problem in problems:
        name = problem.field.partition(".")[0].partition("[")[0]
        rest = problem.field[len(name) :].lstrip(".")
        reason = fill_in("{field}: {reason}", field=rest, reason=problem.reason) if rest else problem.reason
        keyed.setdefault(name, []).append(say_lazily(reason))
    return keyed
