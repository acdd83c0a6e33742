"""Decide whether one model with one set of settings starts on one set of GPUs."""

from dataclasses import replace

from gateway.wording import fill_in
from modelops.domain.errors import UnknownLayoutError
from modelops.domain.fit.assumptions import (
    list_assumptions,
    list_graph_doubts,
    list_tower_doubts,
    list_version_assumptions,
    list_weights_doubts,
)
from modelops.domain.fit.band import estimate_band, find_compile_bytes
from modelops.domain.fit.budget import Budget, compute_budget, find_longest_context
from modelops.domain.fit.capability import find_capability_notes
from modelops.domain.fit.correction import Correction
from modelops.domain.fit.engine_defaults import EngineTraits, find_traits, resolve_dtype
from modelops.domain.fit.evidence import find_evidence
from modelops.domain.fit.gpu_catalog import complete_gpu
from modelops.domain.fit.loading import Loading, estimate_loading
from modelops.domain.fit.measured_run import MeasuredRun
from modelops.domain.fit.obstacles import Obstacle, find_blockers, find_doubts, find_memory_failures
from modelops.domain.fit.report import Band, FitReport, LimitingTerm, Verdict
from modelops.domain.fit.specs import (
    CheckpointFacts,
    EngineSettings,
    Gpu,
    ModelArchitecture,
)
from modelops.domain.fit.weights import WeightsEstimate


def _describe_lack(settings: EngineSettings, count: int) -> str:
    needed = settings.gpu_count
    if needed == 1:
        return fill_in("a GPU is needed, and there is none")
    if settings.data_parallel_size > 1:
        return fill_in(
            "{needed} GPUs are needed (tensor × pipeline × data parallel), {count} given",
            needed=needed,
            count=count,
        )
    return fill_in(
        "{needed} GPUs are needed (tensor × pipeline parallel), {count} given", needed=needed, count=count
    )


def assess_fit(
    model: ModelArchitecture,
    settings: EngineSettings,
    gpus: tuple[Gpu, ...],
    facts: CheckpointFacts | None = None,
    measured: MeasuredRun | None = None,
) -> FitReport:
    """Answer without suggestions. Never raises for a model or card it does not understand.

    Where `measured` was a start with these very settings, its sizes take the place of the formulas.
    """
    used = _select_gpus(settings, gpus)
    if len(used) < settings.gpu_count:
        lack = _describe_lack(settings, len(gpus))
        return FitReport(
            Verdict.DOES_NOT_FIT,
            LimitingTerm.GPU_COUNT,
            (lack,),
            tensor_parallel_size=settings.tensor_parallel_size,
            pipeline_parallel_size=settings.pipeline_parallel_size,
            data_parallel_size=settings.data_parallel_size,
        )
    gpu = min(used, key=lambda card: card.total_bytes)
    run = measured if measured is not None and measured.describes(settings, gpu) else None
    if run is not None:
        settings = replace(settings, vllm_version=run.find_version(settings.vllm_version))
        run = replace(run, settings=replace(run.settings, vllm_version=settings.vllm_version))
    try:
        loading = _weigh(model, settings, facts or CheckpointFacts(), gpu, run)
    except UnknownLayoutError as exc:
        return FitReport(Verdict.UNKNOWN, LimitingTerm.LAYOUT, (exc.wording,))
    traits = find_traits(settings, gpu)
    blockers = find_blockers(model, settings, gpu, traits)
    if run is not None:
        # It started: nothing about the card or the split can be in the way.
        blockers = [finding for finding in blockers if finding.limit is LimitingTerm.CONTEXT]
    if any(finding.limit is LimitingTerm.PARALLEL_SIZE for finding in blockers):
        return _refuse(blockers, settings, loading.weights)
    report = _assess_memory(model, settings, used, loading.weights, run, blockers)
    notes = (
        *report.notes,
        *list_tower_doubts(model, settings),
        *list_weights_doubts(loading.weights),
        *loading.notes,
        *find_capability_notes(model, settings, gpu),
    )
    report = replace(
        report,
        notes=notes,
        draft_bytes=loading.draft_bytes,
        adapter_bytes=loading.adapter_bytes,
        offloaded_bytes=loading.offloaded_bytes,
    )
    return _doubt_parts(report, loading) if run is None else report


def _doubt_parts(report: FitReport, loading: Loading) -> FitReport:
    """A part of which nothing is known takes memory all the same: what fits without it may not."""
    if not loading.doubts:
        return report
    is_alone = report.limit is LimitingTerm.NONE
    return replace(
        report,
        verdict=Verdict.TIGHT if report.verdict is Verdict.FITS else report.verdict,
        limit=LimitingTerm.WEIGHTS if is_alone else report.limit,
        reasons=(*report.reasons, *loading.doubts),
    )


def _weigh(
    model: ModelArchitecture,
    settings: EngineSettings,
    facts: CheckpointFacts,
    gpu: Gpu,
    run: MeasuredRun | None,
) -> Loading:
    """Raises UnknownLayoutError where neither the layout, the checkpoint nor a measured start gives them."""
    try:
        dtype = resolve_dtype(settings.dtype, model, gpu)
        return estimate_loading(model, settings, facts, dtype=dtype, gpu=gpu)
    except UnknownLayoutError:
        weights = run.find_weights() if run is not None else None
        if weights is None:
            raise
        return Loading(weights)


def _assess_memory(
    model: ModelArchitecture,
    settings: EngineSettings,
    used: tuple[Gpu, ...],
    weights: WeightsEstimate,
    run: MeasuredRun | None,
    blockers: list[Obstacle],
) -> FitReport:
    gpu = min(used, key=lambda card: card.total_bytes)
    traits = find_traits(settings, gpu)
    correction, learnt = find_evidence(model, settings, weights, gpu, traits, run)
    longest = find_longest_context(model, settings, weights, gpu, traits, correction)
    if settings.is_max_model_len_auto and longest:
        settings = replace(settings, max_model_len=longest)
    budget = compute_budget(model, settings, weights, gpu, traits, correction)
    band = estimate_band(model, settings, budget, weights, gpu, traits, correction)
    failures = blockers + find_memory_failures(budget, band, used, longest)
    doubts = [] if failures else find_doubts(budget, band, used, traits, longest)
    findings = failures or doubts
    report = replace(
        _describe(model, budget, weights, band, longest, traits),
        first_start_kv_cache_bytes=_find_first_start(budget, traits, correction),
        learnt=learnt,
        verdict=Verdict.DOES_NOT_FIT if failures else Verdict.TIGHT if doubts else Verdict.FITS,
        limit=findings[0].limit if findings else LimitingTerm.NONE,
        reasons=tuple(finding.reason for finding in findings),
        notes=list_graph_doubts(model, budget, gpu),
        assumptions=(
            list_assumptions(model, settings, budget, gpu, traits, correction)
            if run is None
            else list_version_assumptions(settings, traits.version)
        ),
    )
    return report if run is None else _name_run(report, run)


def _name_run(report: FitReport, run: MeasuredRun) -> FitReport:
    is_weighed = run.sizes.weights_bytes is not None
    return replace(
        report,
        notes=(fill_in("sizes as measured when {source} started", source=run.source),),
        weights_source=fill_in("engine's log") if is_weighed else report.weights_source,
        calibrated_from=run.source,
    )


def _select_gpus(settings: EngineSettings, gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """The engine takes the first cards it sees; a single card takes the first too."""
    return tuple(complete_gpu(gpu) for gpu in gpus[: settings.gpu_count])


def _refuse(findings: list[Obstacle], settings: EngineSettings, weights: WeightsEstimate) -> FitReport:
    return FitReport(
        Verdict.DOES_NOT_FIT,
        findings[0].limit,
        tuple(finding.reason for finding in findings),
        weights_bytes=max(weights.stage_bytes),
        weights_source=weights.source,
        tensor_parallel_size=settings.tensor_parallel_size,
        pipeline_parallel_size=settings.pipeline_parallel_size,
        data_parallel_size=settings.data_parallel_size,
    )


def _describe(
    model: ModelArchitecture,
    budget: Budget,
    weights: WeightsEstimate,
    band: Band,
    longest: int,
    traits: EngineTraits,
) -> FitReport:
    stage, length = budget.tightest, budget.settings.max_model_len
    blocks = min(each.get_blocks() for each in budget.stages)
    request_blocks = max(1, stage.layout.count_request_blocks(length))
    concurrency = blocks / request_blocks if not stage.layout.is_empty else 0.0
    tokens = blocks // max(1, stage.layout.group_count) * stage.layout.min_block_tokens
    if traits.era.reports_request_tokens:
        tokens = int(concurrency * length)
    return FitReport(
        Verdict.FITS,
        LimitingTerm.NONE,
        weights_bytes=stage.weights_bytes,
        activation_bytes=budget.activation_bytes,
        non_torch_bytes=budget.non_torch_bytes,
        cuda_graph_bytes=budget.cuda_graph_bytes,
        reserved_graph_bytes=budget.reserved_graph_bytes,
        unassigned_bytes=budget.unassigned_bytes,
        layout=stage.layout,
        max_num_seqs=budget.settings.max_num_seqs,
        context_bytes=budget.context_bytes,
        budget_bytes=budget.requested_bytes,
        kv_cache_bytes=stage.kv_cache_bytes,
        kv_cache_tokens=tokens,
        kv_bytes_per_request=stage.layout.count_request_bytes(length),
        max_model_len=length,
        max_model_len_that_fits=longest,
        max_concurrency=round(concurrency, 2),
        tensor_parallel_size=budget.settings.tensor_parallel_size,
        pipeline_parallel_size=budget.settings.pipeline_parallel_size,
        data_parallel_size=budget.settings.data_parallel_size,
        weights_source=weights.source,
        band=band,
    )


def _find_first_start(budget: Budget, traits: EngineTraits, correction: Correction) -> int | None:
    compiling = find_compile_bytes(budget, traits, correction)
    is_given = budget.settings.kv_cache_memory_bytes is not None
    return budget.tightest.kv_cache_bytes - compiling if compiling and not is_given else None
