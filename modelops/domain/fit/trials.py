"""Trials of changes: what the check says of them, and the longest context that each surely holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modelops.domain.fit.assessment import assess_fit
from modelops.domain.fit.budget import find_last
from modelops.domain.fit.measured_run import MeasuredRun
from modelops.domain.fit.moves import Trial, shorten_context
from modelops.domain.fit.report import FitReport, Verdict
from modelops.domain.fit.specs import EngineSettings

LENGTH_STEP = 256
_SHORTEST_OFFER = 1024
_MOST_TRIES = 4

Assess = Callable[[Trial], FitReport]


@dataclass(frozen=True)
class CheckedTrial:
    """A trial and what the check says of it."""

    trial: Trial
    report: FitReport
    score: float = 0.0


def make_assess(measured: MeasuredRun | None = None) -> Assess:
    """The check of a trial. What was measured counts only where the weights are the same."""

    def assess(trial: Trial) -> FitReport:
        run = measured if trial.has_same_weights else None
        return assess_fit(trial.model, trial.settings, trial.gpus, trial.facts, run)

    return assess


def settle_context(trial: Trial, assess: Assess, asked: int) -> CheckedTrial | None:
    """The trial with the longest context that surely fits, in steps of 256; None where none does."""
    report = assess(trial)
    length = report.max_model_len_that_fits or 0
    positions = trial.model.max_positions or 0
    for _ in range(_MOST_TRIES):
        if length < positions:
            length = length // LENGTH_STEP * LENGTH_STEP
        if length < _SHORTEST_OFFER:
            return None
        is_as_asked = length == asked and _asks_for(trial.settings, length)
        settled = trial if is_as_asked else trial.apply(shorten_context(length, asked))
        report = assess(settled)
        if report.verdict is Verdict.FITS:
            return CheckedTrial(settled, report)
        # The lower edge may lie lower for a longer context, so that this takes a second look.
        length = _find_sure_length(report, length - 1)
    return None


def _find_sure_length(report: FitReport, most: int) -> int:
    """The longest context of which the report's lower edge holds one request."""
    return find_last(1, most, lambda length: report.count_sure_requests(length) >= 1)


def _asks_for(settings: EngineSettings, length: int) -> bool:
    return not settings.is_max_model_len_auto and settings.max_model_len in (None, length)


def find_asked_length(start: Trial, report: FitReport) -> int:
    asked = report.max_model_len or start.settings.max_model_len or start.model.default_max_model_len or 0
    return min(asked, start.model.max_positions or asked)
