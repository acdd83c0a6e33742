"""How far the KV cache may lie from the estimate, term by term."""

from dataclasses import replace
from math import hypot

from modelops.domain.fit import calibration
from modelops.domain.fit.activation import estimate_activation
from modelops.domain.fit.budget import Budget
from modelops.domain.fit.correction import NO_CORRECTION, Correction
from modelops.domain.fit.encoder_budget import runs_tower
from modelops.domain.fit.engine_defaults import EngineTraits
from modelops.domain.fit.eras import LEAST_UTILIZATION, Sampler
from modelops.domain.fit.overhead import doubt_cuda_graphs
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
        return Band(cache - error, cache + error + correction.further_high_bytes)
    spread = _add_up(budget, weights, correction)
    lower, higher = _span_versions(model, asked, budget, gpu, traits)
    low = spread + find_compile_bytes(budget, traits, correction) + _doubt_tower(model, budget) + lower
    low += correction.further_low_bytes + _doubt_graphs(model, budget, gpu, correction)
    return Band(cache - low, cache + spread + higher + correction.further_high_bytes)


def find_compile_bytes(budget: Budget, traits: EngineTraits, correction: Correction = NO_CORRECTION) -> int:
    """What a first start takes more than later ones: nothing without torch.compile."""
    if budget.settings.enforce_eager or traits.is_v0:
        return 0
    return calibration.COLD_COMPILE_BYTES if correction.compile_bytes is None else correction.compile_bytes


def _add_up(budget: Budget, weights: WeightsEstimate, correction: Correction) -> int:
    settings = budget.settings
    share = calibration.WEIGHTS_ERROR
    if weights.is_approximate:
        share = calibration.APPROXIMATE_WEIGHTS_ERROR
    if weights.is_uneven:
        share = calibration.UNEVEN_WEIGHTS_ERROR
    is_parallel = settings.world_size > 1
    learnt = correction.non_torch_error_bytes
    errors = [
        share * budget.tightest.weights_bytes,
        calibration.ACTIVATION_ERROR * budget.activation_bytes,
        max(calibration.FIXED_ERROR_BYTES, learnt or 0),
        calibration.PARALLEL_ERROR_BYTES if is_parallel and learnt is None else 0,
    ]
    if settings.counts_graphs:
        graphs = correction.cuda_graph_error_bytes
        errors.append(
            min(calibration.GRAPH_UNCERTAINTY_BYTES, budget.cuda_graph_bytes) if graphs is None else graphs
        )
    return int(hypot(*errors))


def _doubt_graphs(model: ModelArchitecture, budget: Budget, gpu: Gpu, correction: Correction) -> int:
    """Nothing where a start on such cards told what its graphs took, or where they are not reserved."""
    if not budget.settings.counts_graphs or correction.cuda_graph_error_bytes is not None:
        return 0
    return max(0, doubt_cuda_graphs(model, budget.settings, gpu) - budget.cuda_graph_bytes)


def _doubt_tower(model: ModelArchitecture, budget: Budget) -> int:
    """Of models with a tower, a quarter of what it adds; more where that is not known."""
    if model.vision is None or not runs_tower(model.vision, budget.settings):
        return 0
    if not model.vision.media:
        return calibration.UNKNOWN_TOWER_BYTES
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
