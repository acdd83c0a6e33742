"""What vLLM does by version and card where the operator says nothing."""

import re
from dataclasses import dataclass, replace

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.fit.cache_dtypes import CacheFormat, find_format
from modelops.domain.fit.encoder_budget import find_largest_item
from modelops.domain.fit.eras import NEWEST_READ, Era, RunnerChoice, Sampler, Version, find_era
from modelops.domain.fit.gpu_catalog import find_family
from modelops.domain.fit.specs import (
    GIB,
    Dtype,
    EngineSettings,
    Gpu,
    LayerKind,
    ModelArchitecture,
    ResolvedSettings,
    Speculation,
)

_LARGE_CARD_BYTES = 70 * GIB
_HUGE_CARD_BYTES = 160 * GIB


@dataclass(frozen=True)
class EngineTraits:
    """How one version of the engine accounts for memory on one card.

    Without a version it is taken to be the newest that is known, and `version` is None.
    """

    version: Version | None
    era: Era
    is_v0: bool

    @property
    def has_hybrid_cache(self) -> bool:
        return self.era.has_hybrid_cache and not self.is_v0

    @property
    def reads_free_after_nccl(self) -> bool:
        return self.era.reads_free_after_nccl and not self.is_v0


def parse_version(text: str | None) -> Version | None:
    """Parse "0.10.2", "v0.8.5.post1" or a tag such as "v0.33.0-cu128"; None stays None.

    Words without a number ("latest", "nightly") are None too, numbers that are no vLLM's ("25.09-py3"), and
    source builds, which call themselves 0.1.dev whatever their age.
    """
    match = re.match(r"v?(\d)\.(\d+)(?:\.(\d+))?", text or "")
    if match is None or re.match(r"v?0\.1\.dev", text or ""):
        return None
    return int(match[1]), int(match[2]), int(match[3] or 0)


def find_default_utilization(version: str | None) -> float:
    """The share of a card's memory that this version takes where nothing is said; unknown: the newest's."""
    return find_era(parse_version(version) or NEWEST_READ).utilization


def find_traits(settings: EngineSettings, gpu: Gpu) -> EngineTraits:
    """Return how the engine of this version accounts for memory on this card.

    V1 refused cards below 8.0, and 8-bit caches before 0.9, for as long as there was V0.
    """
    version = parse_version(settings.vllm_version)
    era = find_era(version or NEWEST_READ)
    is_old_card = gpu.compute_capability is not None and gpu.compute_capability < (8, 0)
    if settings.engine:
        is_v0 = settings.engine.lower() == "v0"
    else:
        forces = is_old_card or (not era.v1_has_fp8_cache and settings.kv_cache_dtype.startswith("fp8"))
        is_v0 = era.v0_exists and (forces or not era.v1_is_default)
    return EngineTraits(version, era, is_v0)


def resolve_settings(
    settings: EngineSettings, model: ModelArchitecture, gpu: Gpu, traits: EngineTraits
) -> ResolvedSettings:
    """Fill in every default.

    Sources: `get_batch_defaults` and `_set_default_max_num_seqs_and_batched_tokens_args`
    (vllm/engine/arg_utils.py, 0.32), `SchedulerConfig.__post_init__` (V0), `CacheConfig`.
    """
    dtype = resolve_dtype(settings.dtype, model, gpu)
    is_pooling = model.is_pooling if settings.is_pooling is None else settings.is_pooling
    length = settings.max_model_len or model.default_max_model_len or 2048
    tokens, seqs = _find_batch_defaults(gpu, traits)
    if settings.max_num_batched_tokens is None:
        tokens = _resolve_batched_tokens(settings, model, traits, length, tokens, is_pooling=is_pooling)
        seqs_for_cap = settings.max_num_seqs or seqs
        tokens = min(_raise_to_media(tokens, model, settings, traits), seqs_for_cap * length)
    else:
        tokens = settings.max_num_batched_tokens
    seqs = settings.max_num_seqs if settings.max_num_seqs is not None else min(seqs, tokens)
    is_second = _takes_second_runner(model, traits, is_pooling=is_pooling) and _can_speculate(
        settings.speculation, traits
    )
    return ResolvedSettings(
        tensor_parallel_size=settings.tensor_parallel_size,
        pipeline_parallel_size=settings.pipeline_parallel_size,
        max_model_len=length,
        gpu_memory_utilization=settings.gpu_memory_utilization or traits.era.utilization,
        dtype=dtype,
        cache_format=_resolve_cache_format(settings, model, dtype, traits),
        max_num_seqs=seqs,
        max_num_batched_tokens=tokens,
        enforce_eager=settings.enforce_eager,
        block_size=settings.block_size or 16,
        is_pooling=is_pooling,
        is_text_only=settings.is_text_only,
        kv_cache_memory_bytes=settings.kv_cache_memory_bytes,
        era=traits.era,
        sampler=Sampler.PLAIN if is_second else Sampler.SORT if traits.is_v0 else traits.era.sampler,
        has_hybrid_cache=traits.has_hybrid_cache and not settings.disable_hybrid_kv_cache_manager,
        steps_in_flight=_count_steps(settings, traits.era, is_second=is_second),
        counts_graphs=(traits.era.second_runner_reserves_graphs if is_second else traits.era.reserves_graphs),
        state_blocks=_count_state_blocks(settings, traits.era),
        convolution_bytes=_find_state_bytes("mamba_cache_dtype", settings.mamba_cache_dtype),
        recurrent_bytes=_find_state_bytes("mamba_ssm_cache_dtype", settings.mamba_ssm_cache_dtype),
        speculation=settings.speculation,
        verifies_in_profile=settings.speculation is not None and not is_second and not traits.is_v0,
        graph_cases=2 if settings.adapters is not None and traits.era.captures_without_adapters else 1,
        max_cudagraph_capture_size=settings.max_cudagraph_capture_size,
        media_limits=settings.media_limits,
        media_max_pixels=settings.media_max_pixels,
        skip_mm_profiling=settings.skip_mm_profiling,
        disable_custom_all_reduce=settings.disable_custom_all_reduce,
        data_parallel_size=settings.data_parallel_size,
        expert_split=settings.expert_split,
        world_size=settings.gpu_count if model.moe is not None else _count_engine_cards(settings),
        stage_sizes=read_partition(settings.pp_layer_partition),
        splits_tower=settings.mm_encoder_tp_mode != "data",
    )


def _count_engine_cards(settings: EngineSettings) -> int:
    return settings.tensor_parallel_size * settings.pipeline_parallel_size


def read_partition(text: str | None) -> tuple[int, ...] | None:
    """Return the layers of each stage, None for what is no list of numbers."""
    parts = [part.strip() for part in (text or "").split(",")]
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else None


def _raise_to_media(
    tokens: int, model: ModelArchitecture, settings: EngineSettings, traits: EngineTraits
) -> int:
    """The default step, raised to the largest item where items are not cut."""
    tower = model.vision
    if tower is None or settings.is_text_only or not traits.era.raises_batch_to_media:
        return tokens
    return max(tokens, find_largest_item(tower)) if tower.raises_batch else tokens


def _count_steps(settings: EngineSettings, era: Era, *, is_second: bool) -> int:
    """`max_concurrent_batches`, vllm/config/vllm.py (0.32), with asynchronous scheduling, the default."""
    stages = settings.pipeline_parallel_size
    if not era.counts_steps_in_flight:
        return 1
    if settings.async_scheduling is False:
        return stages
    return stages + 1 if is_second else max(2, stages)


def _count_state_blocks(settings: EngineSettings, era: Era) -> int:
    """One state without prefix caching, and one for each guess: `MambaSpec`, kv_cache_interface.py (0.33)."""
    guesses = settings.speculation.tokens if settings.speculation is not None else 0
    return (1 if settings.enable_prefix_caching is False else era.state_blocks) + guesses


def _find_state_bytes(name: str, dtype: str) -> int | None:
    """Raises FieldError."""
    if dtype == "auto":
        return None
    try:
        return Dtype(dtype).size_bytes
    except ValueError as exc:
        raise FieldError(name, fill_in("{name} is not understood", name=repr(dtype))) from exc


def _can_speculate(speculation: Speculation | None, traits: EngineTraits) -> bool:
    """`_get_v2_model_runner_unsupported_features`, vllm/config/vllm.py."""
    return speculation is None or speculation.method in traits.era.second_runner_drafts


def _takes_second_runner(model: ModelArchitecture, traits: EngineTraits, *, is_pooling: bool) -> bool:
    """Whether the engine serves the model by its second model runner, with nobody having asked for one."""
    era = traits.era
    is_listed = model.model_type in era.second_runner_types
    match era.second_runner:
        case RunnerChoice.ALL:
            return True
        case RunnerChoice.DENSE:
            is_hybrid = any(layer.cache.kind is LayerKind.LINEAR for layer in model.layers)
            return not is_pooling and not is_hybrid and (is_listed or model.moe is None)
        case RunnerChoice.LISTED:
            return not is_pooling and is_listed
        case RunnerChoice.LISTED_DENSE:
            return not is_pooling and is_listed and model.moe is None and model.quantization is None
    return False


def _find_batch_defaults(gpu: Gpu, traits: EngineTraits) -> tuple[int, int]:
    """Return max_num_batched_tokens and max_num_seqs for the API server."""
    era = traits.era
    if traits.is_v0:
        return 2048, 256
    if gpu.total_bytes >= _HUGE_CARD_BYTES and era.huge_cards:
        return 16384, 1024
    return (8192, 1024) if _takes_large_defaults(gpu, era) else (2048, era.default_seqs)


def _takes_large_defaults(gpu: Gpu, era: Era) -> bool:
    """Early V1 went by name, then by memory alone, then by memory but for the A100 (PR 17885)."""
    name = gpu.name.lower()
    if not era.large_by_memory:
        return "h100" in name or "h200" in name
    return gpu.total_bytes >= _LARGE_CARD_BYTES and not (era.spares_a100 and "a100" in name)


def _resolve_batched_tokens(
    settings: EngineSettings,
    model: ModelArchitecture,
    traits: EngineTraits,
    length: int,
    default: int,
    *,
    is_pooling: bool,
) -> int:
    if not traits.is_v0:
        is_chunked = settings.enable_chunked_prefill
        if is_chunked is None:
            is_chunked = not (is_pooling and model.max_positions is not None and model.max_positions <= 8192)
        return default if is_chunked else max(default, length)
    is_chunked = settings.enable_chunked_prefill
    if is_chunked is None:
        is_chunked = length > 32768 and not model.is_multimodal and not is_pooling
    if is_chunked:
        return 512 if traits.version is None or traits.version < (0, 6, 5) else 2048
    floor = 32768 if is_pooling else 5120 if model.is_multimodal else 2048
    return max(length, floor)


def resolve_dtype(asked: str, model: ModelArchitecture, gpu: Gpu) -> Dtype:
    """Return the dtype the engine computes in.

    "auto" takes the checkpoint's, float32 becoming a 16-bit type, and falls back to float16 where the
    card has no bfloat16 (`_resolve_auto_dtype`, vllm/config/model.py). Raises FieldError.
    """
    names = {"half": "float16", "float": "float32"}
    asked = names.get(asked, asked).removeprefix("torch.")
    if asked != "auto":
        try:
            return Dtype(asked)
        except ValueError as exc:
            raise FieldError(
                "dtype", fill_in("must be auto, float16, bfloat16 or float32, not {asked}", asked=repr(asked))
            ) from exc
    has_bfloat16 = gpu.compute_capability is None or gpu.compute_capability >= (8, 0)
    if model.dtype is Dtype.FLOAT16:
        return Dtype.FLOAT16
    if has_bfloat16:
        return Dtype.BFLOAT16
    return Dtype.FLOAT16 if model.allows_float16 else Dtype.FLOAT32


def _resolve_cache_format(
    settings: EngineSettings, model: ModelArchitecture, dtype: Dtype, traits: EngineTraits
) -> CacheFormat:
    if settings.kv_cache_dtype.lower() != "auto":
        return find_format(settings.kv_cache_dtype)
    declared = model.quantization.kv_cache_bits if model.quantization else None
    return find_format("fp8" if declared == 8 and traits.era.honours_fp8_cache else dtype)


def count_capture_sizes(settings: ResolvedSettings, gpu: Gpu) -> int:
    """Return how many batch sizes CUDA graphs are captured for.

    A step of speculative decoding has the guessed tokens besides. With adapters each size is captured twice.
    Source: `_set_cudagraph_sizes`, vllm/config/vllm.py (0.32); `get_lora_capture_cases`,
    vllm/v1/worker/gpu/lora_utils.py (0.33).
    """
    ceiling = 1024 if find_family(gpu) == "blackwell" and gpu.total_bytes > _HUGE_CARD_BYTES else 512
    query = 1 + (settings.speculation.tokens if settings.speculation is not None else 0)
    largest = settings.max_cudagraph_capture_size or min(2 * settings.max_num_seqs * query, ceiling)
    largest = min(largest, settings.max_num_batched_tokens)
    sizes = [1, 2, 4, *range(8, 256, 8), *range(256, max(ceiling, largest) + 1, 16)]
    return settings.graph_cases * sum(1 for size in sizes if size <= largest)


def with_length(settings: EngineSettings, length: int) -> EngineSettings:
    """Return the same settings with another context."""
    return replace(settings, max_model_len=length, is_max_model_len_auto=False)
