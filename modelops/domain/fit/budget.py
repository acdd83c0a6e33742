"""The engine's memory budget on one GPU and what it leaves for the KV cache."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

from modelops.domain.fit.activation import estimate_activation
from modelops.domain.fit.correction import NO_CORRECTION, Correction
from modelops.domain.fit.engine_defaults import EngineTraits, resolve_settings, with_length
from modelops.domain.fit.kv_cache import CacheLayout, plan_cache
from modelops.domain.fit.overhead import estimate_context, estimate_cuda_graphs, estimate_non_torch
from modelops.domain.fit.specs import EngineSettings, Gpu, ModelArchitecture, ResolvedSettings
from modelops.domain.fit.speculation import list_draft_layers
from modelops.domain.fit.weights import WeightsEstimate, get_stages


@dataclass(frozen=True)
class Stage:
    """One pipeline stage: its weights, what is left for its cache, and how the cache is laid out."""

    weights_bytes: int
    kv_cache_bytes: int
    layout: CacheLayout

    def holds_request(self, length: int) -> bool:
        if self.kv_cache_bytes <= 0:
            return False
        return self.layout.count_request_bytes(length) <= self.kv_cache_bytes

    def get_blocks(self) -> int:
        return self.layout.count_blocks(self.kv_cache_bytes)


@dataclass(frozen=True)
class Budget:
    """All terms for one set of settings. Bytes are per GPU."""

    settings: ResolvedSettings
    requested_bytes: int
    activation_bytes: int
    non_torch_bytes: int
    cuda_graph_bytes: int
    context_bytes: int
    stages: tuple[Stage, ...]

    @property
    def tightest(self) -> Stage:
        return min(self.stages, key=lambda stage: (stage.get_blocks(), stage.kv_cache_bytes))

    @property
    def reserved_graph_bytes(self) -> int:
        """What of the CUDA graphs is taken from the KV cache."""
        return self.cuda_graph_bytes if self.settings.counts_graphs else 0

    @property
    def unassigned_bytes(self) -> int:
        """What no term takes, on the tightest stage: not 0 only where the cache's size was given."""
        stage = self.tightest
        overhead = self.activation_bytes + self.non_torch_bytes + self.reserved_graph_bytes
        return self.requested_bytes - stage.weights_bytes - overhead - stage.kv_cache_bytes

    def find_longest(self, most: int) -> int:
        """The longest request of up to `most` tokens that this very budget holds; 0 for none."""
        return find_last(1, most, self.holds_request)

    def holds_request(self, length: int) -> bool:
        return all(stage.holds_request(length) for stage in self.stages)


def compute_budget(
    model: ModelArchitecture,
    settings: EngineSettings,
    weights: WeightsEstimate,
    gpu: Gpu,
    traits: EngineTraits,
    correction: Correction = NO_CORRECTION,
) -> Budget:
    """Apply the engine's identity on the smallest GPU.

    KV = utilization × total − weights − activation − non-torch [− CUDA graphs from 0.21 on].
    Source: `determine_available_memory`, vllm/v1/worker/gpu_worker.py, and V0's
    `determine_num_available_blocks`, vllm/worker/worker.py (0.7).
    """
    resolved = resolve_settings(settings, model, gpu, traits)
    requested = ceil(resolved.gpu_memory_utilization * gpu.total_bytes)
    activation = estimate_activation(model, resolved) + correction.activation_bytes
    non_torch = estimate_non_torch(resolved, gpu, traits) + correction.non_torch_bytes
    graphs = estimate_cuda_graphs(resolved, gpu, traits) + correction.cuda_graph_bytes
    overhead = activation + non_torch + (graphs if resolved.counts_graphs else 0)
    layers = get_stages(model.layers, resolved.pipeline_parallel_size, resolved.stage_sizes)
    layers[-1] += list_draft_layers(model, settings)
    stages = tuple(
        Stage(
            weights_bytes=stage_weights + correction.weights_bytes,
            kv_cache_bytes=(
                resolved.kv_cache_memory_bytes
                if resolved.kv_cache_memory_bytes is not None
                else requested - stage_weights - correction.weights_bytes - overhead
            ),
            layout=_correct_layout(plan_cache(model, stage_layers, resolved, traits), correction),
        )
        for stage_weights, stage_layers in zip(weights.stage_bytes, layers, strict=True)
    )
    return Budget(
        settings=resolved,
        requested_bytes=requested,
        activation_bytes=activation,
        non_torch_bytes=non_torch,
        cuda_graph_bytes=graphs,
        context_bytes=_correct_context(estimate_context(resolved, gpu, traits), correction),
        stages=stages,
    )


def _correct_layout(layout: CacheLayout, correction: Correction) -> CacheLayout:
    if correction.block_bytes is None:
        return layout
    return replace(layout, block_bytes=correction.block_bytes)


def _correct_context(computed_bytes: int, correction: Correction) -> int:
    context = computed_bytes if correction.context_bytes is None else correction.context_bytes
    return context if correction.most_context_bytes is None else min(context, correction.most_context_bytes)


def find_longest_context(
    model: ModelArchitecture,
    settings: EngineSettings,
    weights: WeightsEstimate,
    gpu: Gpu,
    traits: EngineTraits,
    correction: Correction = NO_CORRECTION,
) -> int:
    """Return the largest context, up to the model's positions, that one request may have; 0 for none.

    V0 profiles with fewer tokens above 32768, so both sides of that edge are searched.
    """
    longest = max(model.max_positions or 0, settings.max_model_len or 0)

    def compute(length: int) -> Budget:
        return compute_budget(model, with_length(settings, length), weights, gpu, traits, correction)

    edges = [(1, longest)]
    if traits.is_v0 and longest > 32768:
        edges = [(32769, longest), (1, 32768)]
    for low, high in edges:
        if found := _search(low, high, compute):
            return found
    return 0


def _search(low: int, high: int, compute: Callable[[int], Budget]) -> int:
    """The last length that its own budget holds. In most cases two budgets tell: those of other lengths are
    the same."""
    if high < low:
        return 0
    budget = compute(high)
    length = budget.find_longest(high)
    if length == high:
        return high
    if length >= low and compute(length).stages == budget.stages:
        return length
    return find_last(low, high, lambda each: compute(each).holds_request(each))


def find_last(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The last number for which `holds` is true, where it is true up to some number; 0 for none."""
    if high < low or not holds(low):
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
