"""The memory figures that the simulated engine reports: one 24 GB card, a 7B model, fp16."""

from __future__ import annotations

from dataclasses import dataclass

from modelops.simulator.flags import ServeSettings

BLOCK_TOKENS = 16
TOTAL_GIB = 23.69
_WEIGHTS_GIB = 14.25
_ACTIVATION_GIB = 1.40
_GRAPHS_GIB = 0.50
_KV_GIB_PER_TOKEN = 2**17 / 2**30
_LEAST_CONCURRENCY = 1.25


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Sizes per GPU in GiB and the KV cache in tokens; consistent with one another."""

    weights_gib: float
    graphs_gib: float
    kv_gib: float
    kv_tokens: int
    max_concurrency: float

    @property
    def kv_blocks(self) -> int:
        """The KV cache in blocks."""
        return self.kv_tokens // BLOCK_TOKENS


def plan_memory(settings: ServeSettings) -> MemoryPlan:
    """Split the card as vLLM does: utilization × total − weights − activation − graphs = KV.

    A context that would not fit is given a larger card, so that every context can be simulated;
    refusing one is the business of ``context_too_long_for_kv``.
    """
    parallel = settings.tensor_parallel_size * settings.pipeline_parallel_size
    weights_gib = _WEIGHTS_GIB / parallel
    graphs_gib = 0.0 if settings.enforce_eager else _GRAPHS_GIB
    per_token_gib = _KV_GIB_PER_TOKEN / parallel
    free_gib = TOTAL_GIB * settings.gpu_memory_utilization - weights_gib - _ACTIVATION_GIB - graphs_gib
    wanted = settings.max_model_len * _LEAST_CONCURRENCY
    blocks = -(-int(max(free_gib / per_token_gib, wanted)) // BLOCK_TOKENS)
    kv_tokens = blocks * BLOCK_TOKENS
    return MemoryPlan(
        weights_gib=weights_gib,
        graphs_gib=graphs_gib,
        kv_gib=kv_tokens * per_token_gib,
        kv_tokens=kv_tokens,
        max_concurrency=kv_tokens / settings.max_model_len,
    )
