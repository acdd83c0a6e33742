"""What vLLM does by version and card where the operator says nothing."""

import re
from dataclasses import dataclass, replace

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.fit.gpu_catalog import find_family
from modelops.domain.fit.specs import (
    GIB,
    Dtype,
    EngineSettings,
    Gpu,
    ModelArchitecture,
    ResolvedSettings,
)

Version = tuple[int, int, int]

USUAL_UTILIZATION = 0.9
"""The share of a card's memory that vLLM takes where nothing is said, before its graphs count (0.21)."""

_LARGE_CARD_BYTES = 70 * GIB
_HUGE_CARD_BYTES = 160 * GIB


@dataclass(frozen=True)
class EngineTraits:
    """How one version of the engine accounts for memory on one card.

    Without a version the accounting is the one before 0.21, and the graphs widen the band.
    """

    version: Version | None
    is_v0: bool
    counts_graphs: bool
    reads_free_after_nccl: bool
    has_hybrid_cache: bool
    caches_latents: bool
    reserves_null_block: bool
    reports_request_tokens: bool


def parse_version(text: str | None) -> Version | None:
    """Parse "0.10.2", "v0.8.5.post1" or a tag such as "v0.33.0-cu128"; None stays None.

    Words without a number ("latest", "nightly") are None too, and so are source builds, which call
    themselves 0.1.dev whatever their age.
    """
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text or "")
    if match is None or re.match(r"v?0\.1\.dev", text or ""):
        return None
    return int(match[1]), int(match[2]), int(match[3] or 0)


def find_traits(settings: EngineSettings, gpu: Gpu) -> EngineTraits:
    """Return how the engine of this version accounts for memory on this card.

    V1 became the default in 0.8.0 and refused cards below 8.0 until V0 was removed in 0.11.
    """
    version = parse_version(settings.vllm_version)
    is_old_card = gpu.compute_capability is not None and gpu.compute_capability < (8, 0)
    if settings.engine:
        is_v0 = settings.engine.lower() == "v0"
    else:
        is_v0 = version is not None and (
            version < (0, 8, 0) or (is_old_card and version < (0, 11, 0)) or _forces_v0(settings, version)
        )
    return EngineTraits(
        version=version,
        is_v0=is_v0,
        counts_graphs=version is not None and version >= (0, 21, 0),
        reads_free_after_nccl=not is_v0 and (version is None or version >= (0, 11, 1)),
        has_hybrid_cache=not is_v0 and (version is None or version >= (0, 9, 2)),
        caches_latents=version is None or version >= (0, 7, 1),
        reserves_null_block=version is not None and version >= (0, 32, 0),
        reports_request_tokens=version is not None and version >= (0, 21, 0),
    )


def _forces_v0(settings: EngineSettings, version: Version) -> bool:
    return version < (0, 9, 0) and settings.kv_cache_dtype.startswith("fp8")


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
        tokens = min(tokens, seqs_for_cap * length)
    else:
        tokens = settings.max_num_batched_tokens
    seqs = settings.max_num_seqs if settings.max_num_seqs is not None else min(seqs, tokens)
    return ResolvedSettings(
        tensor_parallel_size=settings.tensor_parallel_size,
        pipeline_parallel_size=settings.pipeline_parallel_size,
        max_model_len=length,
        gpu_memory_utilization=_resolve_utilization(settings, traits),
        dtype=dtype,
        kv_cache_bytes_per_element=_resolve_cache_bytes(settings, model, dtype, traits),
        max_num_seqs=seqs,
        max_num_batched_tokens=tokens,
        enforce_eager=settings.enforce_eager,
        block_size=settings.block_size or 16,
        is_pooling=is_pooling,
        is_text_only=settings.is_text_only,
        kv_cache_memory_bytes=settings.kv_cache_memory_bytes,
    )


def _resolve_utilization(settings: EngineSettings, traits: EngineTraits) -> float:
    if settings.gpu_memory_utilization is not None:
        return settings.gpu_memory_utilization
    return 0.92 if traits.counts_graphs else USUAL_UTILIZATION


def _find_batch_defaults(gpu: Gpu, traits: EngineTraits) -> tuple[int, int]:
    """Return max_num_batched_tokens and max_num_seqs for the API server."""
    if traits.is_v0:
        return 2048, 256
    if gpu.total_bytes >= _HUGE_CARD_BYTES and (traits.version is None or traits.version >= (0, 20, 0)):
        return 16384, 1024
    return (8192, 1024) if _takes_large_defaults(gpu, traits.version) else (2048, 256)


def _takes_large_defaults(gpu: Gpu, version: Version | None) -> bool:
    """Early V1 went by name, then by memory alone; from 0.9 on the A100 is left out (PR 17885)."""
    name = gpu.name.lower()
    if version is not None and version < (0, 8, 3):
        return "h100" in name or "h200" in name
    is_spared = "a100" in name and (version is None or version >= (0, 9, 0))
    return gpu.total_bytes >= _LARGE_CARD_BYTES and not is_spared


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


def _resolve_cache_bytes(
    settings: EngineSettings, model: ModelArchitecture, dtype: Dtype, traits: EngineTraits
) -> int:
    name = settings.kv_cache_dtype.lower()
    if name.startswith(("fp8", "int8")):
        return 1
    if name == "auto":
        declared = model.quantization.kv_cache_bits if model.quantization else None
        honours = traits.version is not None and traits.version >= (0, 11, 1)
        return 1 if declared == 8 and honours else dtype.size_bytes
    if name in ("float16", "bfloat16", "half"):
        return 2
    if name in ("float32", "float"):
        return 4
    raise FieldError("kv_cache_dtype", fill_in("{name} is not understood", name=repr(name)))


def count_capture_sizes(settings: ResolvedSettings, gpu: Gpu) -> int:
    """Return how many batch sizes CUDA graphs are captured for.

    Source: `_set_cudagraph_sizes`, vllm/config/vllm.py (0.32).
    """
    ceiling = 1024 if find_family(gpu) == "blackwell" and gpu.total_bytes > _HUGE_CARD_BYTES else 512
    largest = min(2 * settings.max_num_seqs, ceiling, settings.max_num_batched_tokens)
    sizes = [1, 2, 4, *range(8, 256, 8), *range(256, ceiling + 1, 16)]
    return sum(1 for size in sizes if size <= largest)


def with_length(settings: EngineSettings, length: int) -> EngineSettings:
    """Return the same settings with another context."""
    return replace(settings, max_model_len=length, is_max_model_len_auto=False)
