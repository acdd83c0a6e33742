"""The settings of a profile that become the engine's command line, from `dtype` to its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelops.domain.profiles import syntax
from modelops.domain.profiles.adapters import RANKS, read_adapters, write_adapters
from modelops.domain.profiles.chat_templates import TEMPLATE_KIND, get_template_text
from modelops.domain.profiles.environment import ENVIRONMENT_KIND
from modelops.domain.profiles.extra_flags import FLAGS_KIND
from modelops.domain.profiles.json_settings import (
    DEFAULT_CHAT_TEMPLATE_KWARGS,
    HF_OVERRIDES,
    LIMIT_MM_PER_PROMPT,
    LORA_ADAPTERS,
    MEDIA_DOMAINS,
    OVERRIDE_GENERATION_CONFIG,
    SPECULATIVE_CONFIG,
    STRUCTURED_OUTPUTS_CONFIG,
)
from modelops.domain.profiles.kinds import AUTO, boolean, number, whole
from modelops.domain.profiles.setting import EngineFlag, Section, setting


@dataclass(frozen=True, kw_only=True)
class FlagSettings:
    """The part of `ProfileSpec` that decides how the engine runs."""

    dtype: str = setting(
        syntax.DTYPE,
        "auto",
        "Type of the computation.",
        section=Section.MEMORY,
        flag=EngineFlag("dtype"),
        decides_memory=True,
    )
    quantization: str = setting(
        syntax.QUANTIZATION,
        "",
        "Only to quantize while loading, or to insist on a kernel; empty follows the checkpoint.",
        section=Section.MEMORY,
        flag=EngineFlag("quantization"),
        decides_memory=True,
    )
    kv_cache_dtype: str = setting(
        syntax.CACHE_DTYPE,
        "auto",
        "Type of the KV cache.",
        section=Section.MEMORY,
        flag=EngineFlag("kv-cache-dtype"),
        decides_memory=True,
    )
    max_model_len: int | None = setting(
        whole(16, 20_000_000, has_auto=True),
        None,
        "Context in tokens; `auto` takes the longest that fits.",
        section=Section.MEMORY,
        flag=EngineFlag("max-model-len", when_none=AUTO),
        decides_memory=True,
    )
    gpu_memory_utilization: float | None = setting(
        number(0.05, 1.0, is_optional=True),
        None,
        "Share of each card's total memory; empty is the engine's default.",
        section=Section.MEMORY,
        flag=EngineFlag("gpu-memory-utilization"),
        decides_memory=True,
    )
    tensor_parallel_size: int | None = setting(
        whole(1, 64, has_auto=True),
        None,
        "Cards each layer is split over; `auto` takes the fewest that fit.",
        section=Section.MEMORY,
        flag=EngineFlag("tensor-parallel-size"),
        decides_memory=True,
    )
    pipeline_parallel_size: int = setting(
        whole(1, 64),
        1,
        "Stages the layers are split into.",
        section=Section.MEMORY,
        flag=EngineFlag("pipeline-parallel-size"),
        decides_memory=True,
    )
    max_num_seqs: int | None = setting(
        whole(1, 8192, is_optional=True),
        None,
        "Requests in one batch.",
        section=Section.MEMORY,
        flag=EngineFlag("max-num-seqs"),
        decides_memory=True,
    )
    max_num_batched_tokens: int | None = setting(
        whole(1, 1_048_576, is_optional=True),
        None,
        "Tokens in one batch.",
        section=Section.MEMORY,
        flag=EngineFlag("max-num-batched-tokens"),
        decides_memory=True,
    )
    enforce_eager: bool = setting(
        boolean(),
        False,
        "No CUDA graphs: less memory, slower.",
        section=Section.MEMORY,
        flag=EngineFlag("enforce-eager"),
        decides_memory=True,
    )
    limit_mm_per_prompt: Mapping[str, Any] = setting(
        LIMIT_MM_PER_PROMPT,
        {},
        "Most images, videos and sounds of one prompt; 0 leaves their part of the model out.",
        section=Section.MEMORY,
        flag=EngineFlag("limit-mm-per-prompt"),
        decides_memory=True,
    )
    hf_overrides: Mapping[str, Any] = setting(
        HF_OVERRIDES,
        {},
        "What is read in place of the model's config.json, such as YaRN for a longer context.",
        section=Section.MEMORY,
        flag=EngineFlag("hf-overrides"),
        decides_memory=True,
    )
    speculative_config: Mapping[str, Any] = setting(
        SPECULATIVE_CONFIG,
        {},
        "Guesses several tokens ahead: by a draft model, the model's own extra layers, or repeats.",
        section=Section.MEMORY,
        flag=EngineFlag("speculative-config"),
        decides_memory=True,
    )
    enable_lora: bool = setting(
        boolean(),
        False,
        "Serves adapters (LoRA) beside the model.",
        section=Section.ADAPTERS,
        flag=EngineFlag("enable-lora"),
        decides_memory=True,
    )
    lora_adapters: Mapping[str, str] = setting(
        LORA_ADAPTERS,
        {},
        "The adapters by the names that clients ask for.",
        section=Section.ADAPTERS,
        flag=EngineFlag("lora-modules", convert=write_adapters, restore=read_adapters),
    )
    max_loras: int | None = setting(
        whole(1, 256, is_optional=True),
        None,
        "Adapters in one batch; empty is the engine's default, one.",
        section=Section.ADAPTERS,
        flag=EngineFlag("max-loras"),
        decides_memory=True,
    )
    max_lora_rank: int | None = setting(
        RANKS,
        None,
        "Highest rank of an adapter: 1, 8, 16, 32, 64, 128, 256, 320 or 512; empty is 16.",
        section=Section.ADAPTERS,
        flag=EngineFlag("max-lora-rank"),
        decides_memory=True,
    )
    tool_call_parser: str = setting(
        syntax.PARSER,
        "",
        "Reads tool calls; switches them on. `auto` takes the one of the model's family, below.",
        section=Section.FURTHER_FLAGS,
        flag=EngineFlag("tool-call-parser", needs_switch="enable-auto-tool-choice"),
    )
    reasoning_parser: str = setting(
        syntax.PARSER,
        "",
        "Reads the reasoning apart from the answer; `auto` as above.",
        section=Section.FURTHER_FLAGS,
        flag=EngineFlag("reasoning-parser"),
    )
    chat_template: str = setting(
        TEMPLATE_KIND,
        "",
        "A template where the repository has none.",
        section=Section.FURTHER_FLAGS,
        flag=EngineFlag("chat-template", convert=get_template_text),
    )
    default_chat_template_kwargs: Mapping[str, Any] = setting(
        DEFAULT_CHAT_TEMPLATE_KWARGS,
        {},
        "What the template is told where a request does not, such as whether to think.",
        section=Section.FURTHER_FLAGS,
        flag=EngineFlag("default-chat-template-kwargs"),
    )
    override_generation_config: Mapping[str, Any] = setting(
        OVERRIDE_GENERATION_CONFIG,
        {},
        "Sampling where a request does not say, such as the temperature.",
        section=Section.FURTHER_FLAGS,
        flag=EngineFlag("override-generation-config"),
    )
    structured_outputs_config: Mapping[str, Any] = setting(
        STRUCTURED_OUTPUTS_CONFIG,
        {},
        "How answers are held to a schema.",
        section=Section.FURTHER_FLAGS,
        flag=EngineFlag("structured-outputs-config"),
    )
    allowed_media_domains: tuple[str, ...] = setting(
        MEDIA_DOMAINS,
        (),
        "The only hosts that images of requests are fetched from; empty means any.",
        section=Section.FURTHER_FLAGS,
        flag=EngineFlag("allowed-media-domains", convert=list, restore=list),
    )
    enable_sleep_mode: bool = setting(
        boolean(),
        False,
        "Lets the engine give memory back between uses.",
        section=Section.FURTHER_FLAGS,
        flag=EngineFlag("enable-sleep-mode"),
        decides_memory=True,
    )
    shutdown_timeout_s: int = setting(
        whole(0, 3600),
        30,
        "Seconds that running requests get at the end.",
        section=Section.FURTHER_FLAGS,
        flag=EngineFlag("shutdown-timeout"),
    )
    extra_flags: Mapping[str, Any] = setting(
        FLAGS_KIND,
        {},
        "Further flags, from the list below.",
        section=Section.FURTHER_FLAGS,
        decides_memory=True,
    )
    environment: Mapping[str, str] = setting(
        ENVIRONMENT_KIND,
        {},
        "Variables, from the list below.",
        section=Section.FURTHER_FLAGS,
        decides_memory=True,
    )
