"""A profile as a frozen value.

Each field says what values it takes, which vLLM flag it becomes and what it is for: the one table that
the database's validation, the YAML reader and the documentation share. Stored forms: a tensor parallel
size or a context of None means `auto`, other numbers of None mean the engine's default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from modelops.domain.profiles import syntax
from modelops.domain.profiles.environment import ENVIRONMENT_KIND
from modelops.domain.profiles.flags import FLAGS_KIND
from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.setting import REQUIRED, setting
from modelops.domain.profiles.templates import TEMPLATE_KIND
from modelops.domain.profiles.values import boolean, choice, document, number, text, whole


class Runtime(StrEnum):
    """What starts the engine: Docker, a child process, or somebody else."""

    DOCKER = "docker"
    PROCESS = "process"
    EXTERNAL = "external"


class EngineKind(StrEnum):
    VLLM = "vllm"
    SIMULATOR = "simulator"


QUANTIZATIONS = (
    "awq",
    "awq_marlin",
    "gptq",
    "gptq_marlin",
    "fp8",
    "bitsandbytes",
    "compressed-tensors",
    "modelopt",
    "mxfp4",
    "experts_int8",
)
DTYPES = ("auto", "float16", "bfloat16", "float32")
CACHE_DTYPES = ("auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2")


@dataclass(frozen=True, kw_only=True)
class ProfileSpec:
    """One way to serve one model."""

    # What people see
    slug: str = setting(syntax.SLUG, REQUIRED, "Name of the profile, and of the model for clients.")
    display_name: str = setting(text(100, may_be_empty=False), REQUIRED, "Name for people.")
    description_en: str = setting(text(2000, many_lines=True), "", "What was chosen and why, in English.")
    description_ko: str = setting(text(2000, many_lines=True), "", "The same in Korean.")
    tags: tuple[str, ...] = setting(syntax.TAGS, (), "Words to find it by.")
    is_enabled: bool = setting(boolean(), True, "Disabled profiles cannot be switched to.")
    is_default: bool = setting(
        boolean(), False, "Started first where nothing else is asked for; one at most."
    )

    # The model
    repository: str = setting(syntax.REPOSITORY, "", "Model repository; empty only for the simulator.")
    revision: str = setting(syntax.REVISION, "", "Its branch, tag or commit.", flag_name="revision")
    served_model_name: str = setting(
        syntax.SERVED_NAME, "", "Name in responses, the slug when empty.", flag_name="served-model-name"
    )
    aliases: tuple[str, ...] = setting(syntax.ALIASES, (), "Further names that clients may use.")

    # Where it runs
    engine: str = setting(choice(*EngineKind), EngineKind.VLLM.value, "vLLM, or the simulated engine.")
    runtime: str = setting(choice(*Runtime), Runtime.DOCKER.value, "What starts the engine.")
    image: str = setting(syntax.IMAGE, "", "Container image; the runtime `docker` needs one.")
    gpu_selection: tuple[str, ...] = setting(syntax.GPU_SELECTION, (), "Cards to use; empty means any.")

    # The engine's flags
    dtype: str = setting(choice(*DTYPES), "auto", "Type of the computation.", flag_name="dtype")
    quantization: str = setting(
        choice(*QUANTIZATIONS, may_be_empty=True),
        "",
        "Only to quantize while loading, or to insist on a kernel; empty follows the checkpoint.",
        flag_name="quantization",
    )
    kv_cache_dtype: str = setting(
        choice(*CACHE_DTYPES), "auto", "Type of the KV cache.", flag_name="kv-cache-dtype"
    )
    max_model_len: int | None = setting(
        whole(16, 20_000_000, has_auto=True),
        None,
        "Context in tokens; `auto` takes the longest that fits.",
        flag_name="max-model-len",
    )
    gpu_memory_utilization: float | None = setting(
        number(0.05, 1.0, is_optional=True),
        None,
        "Share of each card's total memory; empty is the engine's default.",
        flag_name="gpu-memory-utilization",
    )
    tensor_parallel_size: int | None = setting(
        whole(1, 64, has_auto=True),
        None,
        "Cards each layer is split over; `auto` takes the fewest that fit.",
        flag_name="tensor-parallel-size",
    )
    pipeline_parallel_size: int = setting(
        whole(1, 64), 1, "Stages the layers are split into.", flag_name="pipeline-parallel-size"
    )
    max_num_seqs: int | None = setting(
        whole(1, 8192, is_optional=True), None, "Requests in one batch.", flag_name="max-num-seqs"
    )
    max_num_batched_tokens: int | None = setting(
        whole(1, 1_048_576, is_optional=True),
        None,
        "Tokens in one batch.",
        flag_name="max-num-batched-tokens",
    )
    enforce_eager: bool = setting(
        boolean(), False, "No CUDA graphs: less memory, slower.", flag_name="enforce-eager"
    )
    tool_call_parser: str = setting(
        syntax.PARSER, "", "Reads tool calls; switches them on.", flag_name="tool-call-parser"
    )
    reasoning_parser: str = setting(
        syntax.PARSER, "", "Reads the reasoning apart from the answer.", flag_name="reasoning-parser"
    )
    chat_template: str = setting(
        TEMPLATE_KIND, "", "A template where the repository has none.", flag_name="chat-template"
    )
    enable_sleep_mode: bool = setting(
        boolean(), False, "Lets the engine give memory back between uses.", flag_name="enable-sleep-mode"
    )
    shutdown_timeout_s: int = setting(
        whole(0, 3600), 30, "Seconds that running requests get at the end.", flag_name="shutdown-timeout"
    )
    extra_flags: Mapping[str, Any] = setting(FLAGS_KIND, {}, "Further flags, from the list below.")
    environment: Mapping[str, str] = setting(ENVIRONMENT_KIND, {}, "Variables, from the list below.")

    # What is known of the model
    config: Mapping[str, Any] = setting(
        document(64_000), {}, "What decides its memory, from the repository's config.json."
    )
    parameters: int | None = setting(whole(1, 10**15, is_optional=True), None, "Number of parameters.")
    weights_bytes: int | None = setting(
        whole(1, 10**16, is_optional=True), None, "Size of the weights on disk; empty when not known."
    )
    facts_source: str = setting(text(1000, many_lines=True), "", "Where these facts come from.")

    # What the gateway allows while it is served
    max_concurrent_requests: int | None = setting(
        whole(1, 100_000, is_optional=True), None, "Requests at a time; empty means no limit of its own."
    )
    max_output_tokens: int | None = setting(
        whole(1, 20_000_000, is_optional=True), None, "Most tokens of one answer; empty means the context."
    )

    @property
    def served_names(self) -> tuple[str, ...]:
        """Every name clients may use; the first is the one in responses."""
        return tuple(dict.fromkeys((self.served_model_name or self.slug, self.slug, *self.aliases)))


Spec = ProfileSpec | HardwareSpec


def to_values(spec: Spec) -> dict[str, Any]:
    """The spec as plain JSON values under its fields' names."""
    values = {each.name: getattr(spec, each.name) for each in fields(spec)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
