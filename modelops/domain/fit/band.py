"""How far the KV cache may lie from the estimate, term by term."""

from dataclasses import replace
from math import hypot

from modelops.domain.fit import calibration
from modelops.domain.fit.activation import estimate_activation
from modelops.domain.fit.budget import Budget
from modelops.domain.fit.correction import NO_CORRECTION, Correction
from modelops.domain.fit.engine_defaults import EngineTraits
from modelops.domain.fit.eras import LEAST_UTILIZATION, Sampler
from modelops.domain.fit.report import Band
from modelops.domain.fit.specs import EngineSettings, Gpu, ModelArchitecture
from modelops.domain.fit.weights import WeightsEstimate


def estimate_band(
    model: ModelArchitecture,
    asked: EngineSettings,
    budget: Budget,
    weights: WeightsEstimate,
    gpu: Gpu,
    traits: EngineTraits,
    correction: Correction = NO_CORRECTION,
) -> Band:
    """The edges that nine starts in ten stay within.

    What may be off either way adds up like independent errors; what can only cost more (a first start, which
    compiles; a tower that is profiled with more than we know of; a rule of an older version) lies below them.
    After a start that measured the cache, only what differs from one start to the next is left.
    """
    cache = budget.tightest.kv_cache_bytes
    if budget.settings.kv_cache_memory_bytes is not None:
        return Band(cache, cache)
    if correction.is_complete:
        error = calibration.FIXED_ERROR_BYTES
        return Band(cache - error, cache + error)
    spread = _add_up(model, budget, weights)
    lower, higher = _span_versions(model, asked, budget, gpu, traits)
    low = spread + find_compile_bytes(budget, traits) + _doubt_tower(model, budget) + lower
    return Band(cache - low, cache + spread + higher)


def find_compile_bytes(budget: Budget, traits: EngineTraits) -> int:
    """What a first start takes more than later ones: nothing without torch.compile."""
    if budget.settings.enforce_eager or traits.is_v0:
        return 0
    return calibration.COLD_COMPILE_BYTES


def _add_up(model: ModelArchitecture, budget: Budget, weights: WeightsEstimate) -> int:
    settings = budget.settings
    share = calibration.WEIGHTS_ERROR
    if weights.is_approximate:
        share = calibration.APPROXIMATE_WEIGHTS_ERROR
    is_parallel = settings.tensor_parallel_size * settings.pipeline_parallel_size > 1
    errors = [
        share * budget.tightest.weights_bytes,
        calibration.ACTIVATION_ERROR * budget.activation_bytes,
        calibration.FIXED_ERROR_BYTES,
        calibration.PARALLEL_ERROR_BYTES if is_parallel else 0,
    ]
    if settings.counts_graphs:
        errors.append(min(calibration.GRAPH_UNCERTAINTY_BYTES, budget.cuda_graph_bytes))
    return int(hypot(*errors))


def _doubt_tower(model: ModelArchitecture, budget: Budget) -> int:
    """Of models with a tower, half of what it adds."""
    if model.vision is None or budget.settings.is_text_only:
        return 0
    text_only = estimate_activation(model, replace(budget.settings, is_text_only=True))
    return max(0, int(calibration.VISION_ERROR * (budget.activation_bytes - text_only)))


def _span_versions(
    model: ModelArchitecture, asked: EngineSettings, budget: Budget, gpu: Gpu, traits: EngineTraits
) -> tuple[int, int]:
    """How much less and more there would be by the rules of other versions, where none is known."""
    if traits.version is not None:
        return 0, 0
    settings = budget.settings
    sorting = estimate_activation(model, replace(settings, sampler=Sampler.SORT))
    less = max(0, sorting - estimate_activation(model, settings))
    if asked.gpu_memory_utilization is None:
        less += int((settings.gpu_memory_utilization - LEAST_UTILIZATION) * gpu.total_bytes)
    return less, budget.cuda_graph_bytes if settings.counts_graphs else 0
