"""Which models suit these GPUs, with which tensor-parallel size.

Every answer here is an answer of the fit check; nothing is estimated a second way.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gateway.wording import fill_in, join_texts
from modelops.domain.errors import FieldError, UnknownLayoutError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.assessment import assess_fit
from modelops.domain.fit.check import check_fit
from modelops.domain.fit.measured_run import MeasuredRun
from modelops.domain.fit.report import Aim, FitReport, LimitingTerm, Verdict
from modelops.domain.fit.specs import CheckpointFacts, EngineSettings, Gpu, ModelArchitecture
from modelops.domain.fit.unconsidered import name_unconsidered
from modelops.domain.profiles.engine_args import list_unestimated, to_checkpoint_facts, to_engine_settings
from modelops.domain.profiles.spec import EngineKind, ProfileSpec

_SIZES = (1, 2, 4, 8, 16)
_ORDER = {Verdict.FITS: 0, Verdict.TIGHT: 1, Verdict.UNKNOWN: 2, Verdict.DOES_NOT_FIT: 3}


@dataclass(frozen=True)
class Candidate:
    """A profile as the ranking sees it. `problem` says why nothing is known of the model's shape."""

    slug: str
    model: ModelArchitecture | None
    settings: EngineSettings
    facts: CheckpointFacts = field(default_factory=CheckpointFacts)
    is_tensor_parallel_auto: bool = False
    needs_gpu: bool = True
    problem: str = ""
    unestimated: tuple[str, ...] = ()
    """Settings that change its memory and that the check leaves out."""


@dataclass(frozen=True)
class Assessment:
    """A candidate on one set of GPUs. `settings` has the tensor-parallel size that was chosen."""

    candidate: Candidate
    report: FitReport
    settings: EngineSettings
    why: str
    measured: MeasuredRun | None = None
    """What an earlier start measured; the report says whether it counted."""

    @property
    def context(self) -> int | None:
        """The context it will serve, or the largest that would fit when it does not start as it is."""
        if self.report.is_runnable:
            return self.report.max_model_len
        return self.report.max_model_len_that_fits


def to_candidate(spec: ProfileSpec) -> Candidate:
    """The profile as a candidate. Never raises: what is not understood becomes its `problem`."""
    settings, facts = to_engine_settings(spec), to_checkpoint_facts(spec)
    if spec.engine == EngineKind.SIMULATOR:
        return Candidate(spec.slug, None, settings, needs_gpu=False)
    model = None
    problem: str = fill_in("the profile says nothing of the model's shape (its config.json is missing)")
    if spec.config:
        try:
            model = parse_architecture(spec.effective_config, settings.quantization)
        except (UnknownLayoutError, FieldError) as exc:
            problem = exc.wording
    return Candidate(
        spec.slug,
        model,
        settings,
        facts,
        is_tensor_parallel_auto=spec.tensor_parallel_size is None,
        problem="" if model else problem,
        unestimated=list_unestimated(spec),
    )


def assess_candidate(
    candidate: Candidate, gpus: tuple[Gpu, ...] | None, measured: MeasuredRun | None = None
) -> Assessment:
    """Check one candidate, its "auto" tensor-parallel size resolved. `gpus` None: the hardware is unknown.

    Raises FieldError for a setting that has no meaning.
    """
    settings = candidate.settings
    if not candidate.needs_gpu:
        return Assessment(candidate, _describe_without_gpu(settings), settings, fill_in("needs no GPU"))
    if candidate.model is None:
        reason = candidate.problem or fill_in("nothing is known of the model's shape")
        return Assessment(
            candidate, FitReport(Verdict.UNKNOWN, LimitingTerm.LAYOUT, (reason,)), settings, reason
        )
    if gpus is None:
        reason = fill_in("the GPUs are not known: nothing has read them yet")
        return Assessment(
            candidate, FitReport(Verdict.UNKNOWN, LimitingTerm.INPUT, (reason,)), settings, reason
        )
    if not candidate.is_tensor_parallel_auto:
        report = assess_fit(candidate.model, settings, gpus, candidate.facts, measured)
        report = _note_unestimated(candidate, report)
        return Assessment(candidate, report, settings, _explain(report), measured)
    return _resolve_size(candidate, candidate.model, gpus, measured)


def advise(assessment: Assessment, gpus: tuple[Gpu, ...] | None, aim: Aim = Aim.AS_ASKED) -> Assessment:
    """Return the assessment with suggestions for the aim in its report. Finding them takes a search."""
    model = assessment.candidate.model
    if model is None or gpus is None or not assessment.candidate.needs_gpu:
        return assessment
    facts, measured = assessment.candidate.facts, assessment.measured
    report = check_fit(model, assessment.settings, gpus, facts, measured, aim=aim)
    return replace(assessment, report=_note_unestimated(assessment.candidate, report))


def _note_unestimated(candidate: Candidate, report: FitReport) -> FitReport:
    """A start that was measured has what the formulas leave out."""
    if not candidate.unestimated or report.calibrated_from is not None:
        return report
    return replace(report, notes=(*report.notes, *name_unconsidered(candidate.unestimated)))


def sort_by_rank(assessments: Iterable[Assessment]) -> tuple[Assessment, ...]:
    """The best first: what runs before what does not, then the larger model, then the longer context."""
    return tuple(sorted(assessments, key=_rank))


def _resolve_size(
    candidate: Candidate,
    model: ModelArchitecture,
    gpus: tuple[Gpu, ...],
    measured: MeasuredRun | None = None,
) -> Assessment:
    """The smallest size that does all that is asked: cards left over can serve another model.

    Where none does, the one that comes nearest: by verdict, then context, then memory left for the cache.
    """
    trials: list[tuple[EngineSettings, FitReport]] = []
    for size in _list_sizes(candidate.settings, len(gpus)):
        settings = replace(candidate.settings, tensor_parallel_size=size)
        report = assess_fit(model, settings, gpus, candidate.facts, measured)
        trials.append((settings, report))
        if does_all_asked(report, settings, model):
            break
    else:
        trials.append(min(trials, key=lambda trial: _distance(*trial)))
    settings, report = trials[-1]
    report = _note_unestimated(candidate, report)
    why = _explain_size(settings, report, trials, len(gpus))
    return Assessment(candidate, report, settings, why, measured)


def _list_sizes(settings: EngineSettings, gpu_count: int) -> list[int]:
    most = max(1, gpu_count // settings.cards_per_slice)
    return sorted({size for size in _SIZES if size <= most} | {most})


def does_all_asked(report: FitReport, settings: EngineSettings, model: ModelArchitecture) -> bool:
    """True when it fits, with the model's whole context where the context was left to the engine."""
    if report.verdict is not Verdict.FITS:
        return False
    wanted = model.default_max_model_len or 0
    return not settings.is_max_model_len_auto or (report.max_model_len or 0) >= wanted


def _distance(settings: EngineSettings, report: FitReport) -> tuple[int, int, int, int]:
    context = (report.max_model_len_that_fits or 0) if settings.is_max_model_len_auto else 0
    spare = report.kv_cache_bytes if report.kv_cache_bytes is not None else -(1 << 62)
    is_running = report.is_runnable
    return (_ORDER[report.verdict], -context, 0 if is_running else -spare, settings.tensor_parallel_size)


def _explain_size(
    settings: EngineSettings,
    report: FitReport,
    trials: list[tuple[EngineSettings, FitReport]],
    gpu_count: int,
) -> str:
    size = settings.tensor_parallel_size
    if not report.is_runnable:
        return _explain(report)
    if size == 1:
        text = fill_in("one card is enough")
        if gpu_count > 1:
            text = fill_in("one card is enough, {count} left free", count=gpu_count - 1)
    else:
        fewer, before = max(
            (trial for trial in trials if trial[0].tensor_parallel_size < size),
            key=lambda trial: trial[0].tensor_parallel_size,
        )
        cause = (
            before.reasons[0]
            if before.reasons
            else fill_in("only {max_model_len} tokens of context", max_model_len=before.max_model_len)
        )
        text = fill_in(
            "{size} cards, because with {fewer}: {cause}",
            size=size,
            fewer=fewer.tensor_parallel_size,
            cause=cause,
        )
    return text if report.verdict is Verdict.FITS else join_texts("; ", [text, _explain(report)])


def _explain(report: FitReport) -> str:
    if report.reasons:
        return report.reasons[0]
    return fill_in(
        "{max_model_len} tokens of context, {max_concurrency} requests of that length",
        max_model_len=report.max_model_len,
        max_concurrency=f"{report.max_concurrency:g}",
    )


def _describe_without_gpu(settings: EngineSettings) -> FitReport:
    return FitReport(
        Verdict.FITS,
        LimitingTerm.NONE,
        notes=(fill_in("a simulated engine: it uses no GPU"),),
        max_model_len=settings.max_model_len,
        max_model_len_that_fits=settings.max_model_len,
        tensor_parallel_size=settings.tensor_parallel_size,
    )


def _rank(assessment: Assessment) -> tuple[int, int, int, int, str]:
    candidate = assessment.candidate
    counted = candidate.model.parameters if candidate.model is not None else 0
    return (
        _ORDER[assessment.report.verdict],
        0 if candidate.needs_gpu else 1,
        -(candidate.facts.parameters or counted),
        -(assessment.context or 0),
        candidate.slug,
    )
