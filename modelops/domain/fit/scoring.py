"""How well the fit check says what engines then did: its estimates against runs whose sizes are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from modelops.domain.errors import UnknownLayoutError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.assessment import assess_fit
from modelops.domain.fit.question import FitQuestion
from modelops.domain.fit.report import FitReport, LimitingTerm, Verdict
from modelops.domain.fit.shared_runs import SharedRun
from modelops.domain.fit.specs import GIB

SCORED_TERMS = {
    "weights": ("weights_bytes", "weights_gib"),
    "activation": ("activation_bytes", "activation_gib"),
    "outside": ("non_torch_bytes", "non_torch_gib"),
    "graphs": ("cuda_graph_bytes", "cuda_graph_gib"),
}
"""What is compared beside the KV cache: its name in the report, and in the run. Of graphs, what is set aside
for them where the engine does so."""


@dataclass(frozen=True)
class Comparison:
    """One term in GiB; None for what is unknown."""

    expected: float | None
    measured: float | None


@dataclass(frozen=True)
class RunScore:
    run: SharedRun
    verdict: Verdict
    terms: dict[str, Comparison]
    cache: Comparison
    band: tuple[float, float] | None

    @property
    def is_right(self) -> bool:
        """It was refused exactly if it failed. An answer that is none is not right."""
        if self.verdict is Verdict.UNKNOWN:
            return False
        return (self.verdict is Verdict.DOES_NOT_FIT) is not self.run.has_started

    @property
    def is_false_fit(self) -> bool:
        return self.verdict is Verdict.FITS and not self.run.has_started

    @property
    def cache_error(self) -> float | None:
        """In GiB, whichever way; None where it is unknown."""
        if self.cache.expected is None or self.cache.measured is None:
            return None
        return abs(self.cache.expected - self.cache.measured)

    @property
    def is_in_band(self) -> bool | None:
        if self.band is None or self.cache.measured is None:
            return None
        return self.band[0] <= self.cache.measured <= self.band[1]


@dataclass(frozen=True)
class Totals:
    """Over all runs; None where there is nothing to take it from. Errors of the KV cache are in GiB."""

    runs: int
    right_verdicts: int
    false_fits: int
    cache_runs: int
    cache_median_share: float | None
    cache_median_gib: float | None
    cache_p90_gib: float | None
    band_runs: int
    band_share: float | None
    band_median_width_gib: float | None


def score_run(run: SharedRun) -> RunScore:
    """Put the run's question to the check. Raises FieldError for a config that lacks a field."""
    report = _ask(run.question)
    terms = {name: _compare(report, run, *names) for name, names in SCORED_TERMS.items()}
    if "cuda_graph_est_gib" in run.measured:
        terms["graphs"] = _compare(report, run, "cuda_graph_bytes", "cuda_graph_est_gib")
    name = "first_start_kv_cache_bytes" if run.is_first_start else "kv_cache_bytes"
    if getattr(report, name) is None:
        name = "kv_cache_bytes"
    band = report.band and (report.band.low_bytes / GIB, report.band.high_bytes / GIB)
    return RunScore(run, report.verdict, terms, _compare(report, run, name, "kv_cache_gib"), band or None)


def _ask(question: FitQuestion) -> FitReport:
    """The answer without suggestions, which a score has no use for."""
    try:
        model = parse_architecture(question.config, question.settings.quantization)
    except UnknownLayoutError as exc:
        return FitReport(Verdict.UNKNOWN, LimitingTerm.LAYOUT, (exc.wording,))
    return assess_fit(model, question.settings, question.gpus, question.facts)


def _compare(report: FitReport, run: SharedRun, answered: str, measured: str) -> Comparison:
    expected = getattr(report, answered)
    return Comparison(None if expected is None else expected / GIB, run.measured.get(measured))


def sum_up(scores: Sequence[RunScore]) -> Totals:
    errors = sorted(score.cache_error for score in scores if score.cache_error is not None)
    shares = [
        score.cache_error / score.cache.measured
        for score in scores
        if score.cache_error is not None and score.cache.measured
    ]
    banded = [score for score in scores if score.is_in_band is not None]
    widths = [score.band[1] - score.band[0] for score in banded if score.band is not None]
    return Totals(
        runs=len(scores),
        right_verdicts=sum(score.is_right for score in scores),
        false_fits=sum(score.is_false_fit for score in scores),
        cache_runs=len(errors),
        cache_median_share=median(shares) if shares else None,
        cache_median_gib=median(errors) if errors else None,
        cache_p90_gib=errors[min(len(errors) - 1, int(0.9 * len(errors)))] if errors else None,
        band_runs=len(banded),
        band_share=sum(bool(score.is_in_band) for score in banded) / len(banded) if banded else None,
        band_median_width_gib=median(widths) if widths else None,
    )


def serialise_score(score: RunScore) -> dict[str, Any]:
    """Plain JSON values, sizes in GiB."""
    return {
        "id": score.run.id,
        "outcome": score.run.outcome,
        "verdict": str(score.verdict),
        "is_right": score.is_right,
        "is_first_start": score.run.is_first_start,
        "terms": {name: vars(each) for name, each in {**score.terms, "kv_cache": score.cache}.items()},
        "band": None if score.band is None else list(score.band),
        "is_in_band": score.is_in_band,
    }
