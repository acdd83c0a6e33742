"""What changed in vLLM, release by release, as far as the fit check is concerned, on one page.

Each line was read in that release's source, as it is on PyPI. A release takes all lines up to its own, and
one that is newer than the table takes all of it. What logs alone tell stands in `calibration`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

Version = tuple[int, int, int]


class Sampler(StrEnum):
    """How the profiling run's sampler applies top-k and top-p, which decides what lies beside the logits."""

    SORT = "sort"
    """PyTorch's sort of all rows."""
    IN_PLACE = "in_place"
    """A Triton kernel from 8 rows on, or FlashInfer: probabilities and noise, nothing sorted."""
    PLAIN = "plain"
    """The second model runner's profile applies neither."""


class RunnerChoice(StrEnum):
    """Which models the second model runner (`vllm/v1/worker/gpu`) serves where nobody asks for one."""

    NONE = "none"
    LISTED_DENSE = "listed_dense"
    LISTED = "listed"
    DENSE = "dense"
    """All that generate and are neither mixtures of experts nor hybrids, and those listed."""
    ALL = "all"


class KeptOutputs(StrEnum):
    """How large the tower's outputs lie in the cache while the text model is profiled."""

    AS_MADE = "as_made"
    GROWN_TO_BUDGET = "grown_to_budget"
    """Each is copied into a tensor of the whole budget."""
    GROWN_TO_ITEM = "grown_to_item"
    """Each is copied into a tensor of the positions of the largest item."""


@dataclass(frozen=True)
class Era:
    """What holds in one release."""

    v1_is_default: bool = False
    v0_exists: bool = True
    caches_latents: bool = False
    """Latent attention has a cache of its own; before, it was expanded to ordinary heads."""
    v1_has_fp8_cache: bool = False
    default_seqs: int = 256
    """Of the API server on cards that do not count as large."""
    large_by_memory: bool = False
    """Cards of 70 GiB and more get the large defaults, and not those with certain names."""
    spares_a100: bool = False
    huge_cards: bool = False
    """Cards of 160 GiB and more get 16384 tokens a step."""
    has_hybrid_cache: bool = False
    reads_free_after_nccl: bool = False
    """NCCL is set up before the reading that the budget starts from."""
    honours_fp8_cache: bool = False
    """A checkpoint that declares an 8-bit KV cache gets it with `auto`."""
    sampler: Sampler = Sampler.SORT
    utilization: float = 0.9
    reserves_graphs: bool = False
    """CUDA graphs are estimated and taken from the KV cache."""
    reports_request_tokens: bool = False
    state_blocks: int = 1
    counts_steps_in_flight: bool = False
    """A sliding window keeps the tokens of all steps that overlap, and not of one."""
    second_runner: RunnerChoice = RunnerChoice.NONE
    second_runner_types: frozenset[str] = frozenset()
    second_runner_reserves_graphs: bool = False
    second_runner_drafts: frozenset[str] = frozenset()
    """Ways of speculative decoding that it knows; with others the first runner serves the model."""
    captures_without_adapters: bool = False
    """CUDA graphs are captured with LoRA adapters, and once more without."""
    reserves_null_block: bool = False
    kept_outputs: KeptOutputs = KeptOutputs.AS_MADE
    rounds_items_up: bool = True
    """One item more than the encoder's budget holds is profiled."""
    builds_media_by_context: bool = False
    """The item that is profiled is as long as the context, and not as one step."""
    most_video_frames: int = 16
    """Of the dummy video of Qwen2-VL and 2.5."""
    timestamp_factor: float = 1.0
    """Tokens counted for each row of a video with timestamps."""
    raises_batch_to_media: bool = False
    expert_chunk_tokens: int = 32768
    """Experts never see more tokens at once."""


@dataclass(frozen=True)
class Change:
    since: Version
    sets: Mapping[str, Any]
    source: str


_LISTED_BY_0_25 = frozenset({"deepseekv2", "granitemoe", "qwen2moe"})

_DRAFTS_OF_0_22 = frozenset({"eagle", "eagle3", "mtp"})
_DRAFTS_OF_0_25 = _DRAFTS_OF_0_22 | {"dflash", "dspark"}

CHANGES = (
    Change((0, 7, 1), {"caches_latents": True}, "MLACommonBackend, vllm/attention/backends/mla"),
    Change(
        (0, 8, 0),
        {"v1_is_default": True, "default_seqs": 1024},
        "default_max_num_seqs, vllm/engine/arg_utils.py:1715",
    ),
    Change((0, 8, 4), {"default_seqs": 256}, "the same :1682"),
    Change((0, 8, 5), {"large_by_memory": True}, "device_memory, vllm/engine/arg_utils.py:1596"),
    Change((0, 9, 0), {"spares_a100": True, "v1_has_fp8_cache": True}, "the same :1492"),
    Change((0, 9, 2), {"has_hybrid_cache": True}, "hybrid KV cache manager, vllm/v1/core"),
    Change((0, 10, 0), {"rounds_items_up": False}, "vllm/v1/worker/gpu_model_runner.py:2361"),
    Change(
        (0, 11, 0),
        {"v0_exists": False, "reads_free_after_nccl": True},
        "vllm/worker is gone; init_device, vllm/v1/worker/gpu_worker.py:171",
    ),
    Change(
        (0, 11, 0),
        {
            "kept_outputs": KeptOutputs.GROWN_TO_BUDGET,
            "builds_media_by_context": True,
            "most_video_frames": 14,
            "timestamp_factor": 12.5,
        },
        "profile_run and _get_mm_dummy_batch, gpu_model_runner.py:3374; qwen2_vl.py:82, qwen3_vl.py:674",
    ),
    Change((0, 11, 1), {"honours_fp8_cache": True}, "kv_cache_scheme of a checkpoint, vllm/utils"),
    Change((0, 12, 0), {"kept_outputs": KeptOutputs.GROWN_TO_ITEM}, "profile_run, gpu_model_runner.py:4332"),
    Change(
        (0, 13, 0),
        {"kept_outputs": KeptOutputs.AS_MADE, "timestamp_factor": 1.0},
        "profile_run, gpu_model_runner.py:4470; get_max_video_tokens, qwen3_vl.py",
    ),
    Change(
        (0, 11, 1),
        {"captures_without_adapters": True},
        "cudagraph_specialize_lora, vllm/config/compilation.py:416",
    ),
    Change(
        (0, 17, 0),
        {"sampler": Sampler.IN_PLACE},
        "apply_top_k_top_p_triton, vllm/v1/sample/ops/topk_topp_sampler.py:252",
    ),
    Change((0, 18, 0), {"expert_chunk_tokens": 1 << 30}, "VLLM_FUSED_MOE_CHUNK_SIZE is gone, vllm/envs.py"),
    Change(
        (0, 20, 0),
        {"utilization": 0.92, "reserves_graphs": True},
        "vllm/config/cache.py:66, VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS, vllm/envs.py:260",
    ),
    Change(
        (0, 21, 0),
        {"reports_request_tokens": True, "state_blocks": 2},
        "GPU KV cache size, vllm/v1/core/kv_cache_utils.py:1701; FlashInfer samples by default, envs.py:48",
    ),
    Change(
        (0, 22, 0),
        {"raises_batch_to_media": True},
        "_get_min_mm_batched_tokens, vllm/engine/arg_utils.py:2443",
    ),
    Change(
        (0, 22, 0),
        {
            "second_runner": RunnerChoice.LISTED_DENSE,
            "second_runner_types": frozenset({"qwen3"}),
            "second_runner_drafts": _DRAFTS_OF_0_22,
        },
        "DEFAULT_V2_MODEL_RUNNER_ARCHITECTURES, vllm/config/vllm.py:69, unquantized only :532",
    ),
    Change(
        (0, 23, 0),
        {"second_runner_types": frozenset({"qwen3", "llama", "mistral"})},
        "the same :69",
    ),
    Change(
        (0, 24, 0),
        {
            "second_runner": RunnerChoice.LISTED,
            "second_runner_types": _LISTED_BY_0_25 | {"qwen3", "llama", "mistral"},
            "second_runner_drafts": _DRAFTS_OF_0_22 | {"dflash"},
        },
        "the same :68",
    ),
    Change(
        (0, 25, 0),
        {
            "second_runner": RunnerChoice.DENSE,
            "second_runner_types": _LISTED_BY_0_25,
            "second_runner_drafts": _DRAFTS_OF_0_25,
        },
        "_is_default_v2_model_runner_model, vllm/config/vllm.py:572",
    ),
    Change(
        (0, 26, 0),
        {"counts_steps_in_flight": True},
        "max_in_flight_tokens, vllm/config/vllm.py:525; vllm/v1/kv_cache_interface.py",
    ),
    Change((0, 28, 0), {"huge_cards": True}, "get_batch_defaults, vllm/engine/arg_utils.py"),
    Change(
        (0, 29, 0),
        {
            "second_runner": RunnerChoice.ALL,
            "second_runner_reserves_graphs": True,
            "reserves_null_block": True,
        },
        "use_v2_model_runner, vllm/config/vllm.py; profile_cudagraph_memory, "
        "vllm/v1/worker/gpu/cudagraph_utils.py:718; vllm/v1/core/kv_cache_utils.py:975",
    ),
    Change(
        (0, 31, 0),
        {"second_runner_drafts": _DRAFTS_OF_0_25 | {"draft_model"}},
        "_get_v2_model_runner_unsupported_features, vllm/config/vllm.py:3073",
    ),
    Change(
        (0, 33, 0),
        {"second_runner_drafts": _DRAFTS_OF_0_25 | {"draft_model", "ngram"}},
        "the same :3067",
    ),
)

LEAST_UTILIZATION = Era().utilization
"""The smallest share of a card that any release takes where nothing is said."""

NEWEST_READ: Version = (0, 33, 0)
"""The newest release whose source was read; a newer one is taken to be the same."""


@lru_cache(maxsize=128)
def find_era(version: Version) -> Era:
    era = Era()
    for change in CHANGES:
        if change.since <= version:
            era = replace(era, **change.sets)
    return era
