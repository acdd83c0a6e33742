"""What earlier starts say against the formulas: a start of these very settings, and any on these cards."""

from __future__ import annotations

from dataclasses import replace

from modelops.domain.engine_log.sizes import EngineSizes
from modelops.domain.fit import calibration
from modelops.domain.fit.budget import compute_budget
from modelops.domain.fit.card_starts import CardStart
from modelops.domain.fit.correction import NO_CORRECTION, Correction
from modelops.domain.fit.engine_defaults import EngineTraits, find_traits, parse_version, resolve_settings
from modelops.domain.fit.learnt_terms import LearntTerms, Sought, find_learnt_correction, learn_terms
from modelops.domain.fit.measured_run import MeasuredRun, find_correction
from modelops.domain.fit.overhead import estimate_cuda_graphs
from modelops.domain.fit.report import LearntFrom
from modelops.domain.fit.specs import (
    GIB,
    EngineSettings,
    Gpu,
    LayerKind,
    ModelArchitecture,
    ResolvedSettings,
)
from modelops.domain.fit.weights import WeightsEstimate

_TOTAL_ERROR = 0.02
"""Cards of one name whose totals differ by more are not of one kind."""

_ROUNDING_BYTES = GIB // 100
"""Logs print hundredths of a GiB, here of two figures."""

_REPORTED = {
    "context_bytes": "context_bytes",
    "non_torch_bytes": "non_torch_bytes",
    "graph_ratio": "cuda_graph_bytes",
    "compile_bytes": "first_start_kv_cache_bytes",
}
"""Terms that are learnt, and the figure of the report that each of them changes."""


def find_evidence(
    model: ModelArchitecture,
    settings: EngineSettings,
    weights: WeightsEstimate,
    gpu: Gpu,
    traits: EngineTraits,
    run: MeasuredRun | None,
) -> tuple[Correction, tuple[LearntFrom, ...]]:
    """What to add to the formulas, and where it was learnt of other starts than `run`.

    Where `run` measured a term itself, that counts.
    """
    own = NO_CORRECTION if run is None else find_correction(run, model, weights, gpu, traits)
    if not gpu.starts:
        return _allow_for_compiling(own, run), ()
    computed = compute_budget(model, settings, weights, gpu, traits)
    sought = Sought(
        version=traits.version,
        tag=settings.vllm_version,
        is_v0=traits.is_v0,
        split=_find_split(settings),
        graph_kind=_find_graph_kind(model, computed.settings),
    )
    learnt = learn_terms(gpu.starts, sought)
    if run is not None:
        learnt = _leave_out_measured(learnt, own, run.sizes)
    found = find_learnt_correction(learnt, computed, gpu)
    correction = found if run is None else _complete(own, found)
    correction = _allow_for_compiling(correction, run)
    return correction, _name_terms(learnt, correction)


def _allow_for_compiling(correction: Correction, run: MeasuredRun | None) -> Correction:
    """After a start that compiled: the next one may have what that took more, and no start has less."""
    if run is None or not run.sizes.is_cold:
        return correction
    took = correction.compile_bytes
    more = calibration.COLD_COMPILE_BYTES if took is None else took
    return replace(correction, compile_bytes=0, further_high_bytes=correction.further_high_bytes + more)


def _leave_out_measured(learnt: LearntTerms, own: Correction, sizes: EngineSizes) -> LearntTerms:
    has_graphs = sizes.graph_bytes is not None or sizes.graph_estimate_bytes is not None
    return replace(
        learnt,
        non_torch_bytes=None
        if own.is_complete or sizes.non_torch_bytes is not None
        else learnt.non_torch_bytes,
        graph_ratio=None if own.is_complete or has_graphs else learnt.graph_ratio,
    )


def _complete(own: Correction, learnt: Correction) -> Correction:
    bounds = [each for each in (own.most_context_bytes, learnt.most_context_bytes) if each is not None]
    return replace(
        learnt,
        weights_bytes=own.weights_bytes,
        activation_bytes=own.activation_bytes,
        non_torch_bytes=own.non_torch_bytes + learnt.non_torch_bytes,
        cuda_graph_bytes=own.cuda_graph_bytes + learnt.cuda_graph_bytes,
        most_context_bytes=min(bounds, default=None),
        block_bytes=own.block_bytes,
        is_complete=own.is_complete,
    )


def _name_terms(learnt: LearntTerms, correction: Correction) -> tuple[LearntFrom, ...]:
    """What the figures go by; what was learnt and is not used is left out."""
    used = replace(
        learnt,
        context_bytes=None if correction.context_bytes is None else learnt.context_bytes,
        compile_bytes=learnt.compile_bytes if correction.compile_bytes else None,
    )
    terms = {figure: getattr(used, name) for name, figure in _REPORTED.items()}
    return tuple(
        LearntFrom(figure, term.sources, term.is_here) for figure, term in terms.items() if term is not None
    )


def read_card_start(
    model: ModelArchitecture | None,
    ran: EngineSettings,
    sizes: EngineSizes,
    gpu: Gpu,
    *,
    source: str,
    is_here: bool,
    compile_bytes: int | None = None,
) -> CardStart | None:
    """What a start with these settings tells of a card such as `gpu`; None where that is nothing to go by.

    WSL counts memory of Windows' programs, and other starts may find more or less of it.
    """
    total = sizes.card_total_bytes
    if sizes.is_wsl or (total is not None and abs(total / gpu.total_bytes - 1) > _TOTAL_ERROR):
        return None
    version = parse_version(sizes.vllm_version) or parse_version(ran.vllm_version)
    traits = find_traits(replace(ran, vllm_version=sizes.vllm_version or ran.vllm_version), gpu)
    start = CardStart(
        source=source,
        is_here=is_here,
        version=version,
        tag=ran.vllm_version,
        is_v0=traits.is_v0,
        split=_find_split(ran),
        context_bytes=_subtract(total, sizes.start_free_bytes),
        non_torch_bytes=sizes.non_torch_bytes,
        compile_bytes=compile_bytes,
    )
    if ran.kv_cache_memory_bytes is None:
        share = ran.gpu_memory_utilization or traits.era.utilization
        start = replace(start, most_context_bytes=int((1.0 - share) * gpu.total_bytes) + _ROUNDING_BYTES)
    return start if model is None else _compare_graphs(start, model, ran, sizes, gpu, traits)


def _compare_graphs(
    start: CardStart,
    model: ModelArchitecture,
    ran: EngineSettings,
    sizes: EngineSizes,
    gpu: Gpu,
    traits: EngineTraits,
) -> CardStart:
    resolved = resolve_settings(ran, model, gpu, traits)
    computed = estimate_cuda_graphs(resolved, gpu, traits)
    measured = sizes.graph_estimate_bytes if resolved.counts_graphs else sizes.graph_bytes
    kind = _find_graph_kind(model, resolved)
    if not measured or not computed:
        return replace(start, graph_kind=kind)
    return replace(start, graph_kind=kind, graph_ratio=measured / computed)


def _find_split(settings: EngineSettings) -> tuple[int, int, int]:
    return settings.tensor_parallel_size, settings.pipeline_parallel_size, settings.data_parallel_size


def _find_graph_kind(model: ModelArchitecture, settings: ResolvedSettings) -> tuple[bool, bool, bool]:
    has_states = any(layer.cache.kind is LayerKind.LINEAR for layer in model.layers)
    return settings.counts_graphs, has_states, settings.speculation is not None


def _subtract(total: int | None, free: int | None) -> int | None:
    return None if total is None or free is None else max(0, total - free) + _ROUNDING_BYTES
