"""The fit check: will this model start on these GPUs, how much will it carry, and what to change if not."""

from dataclasses import replace

from modelops.domain.fit.assessment import assess_fit
from modelops.domain.fit.measured_run import MeasuredRun
from modelops.domain.fit.report import Aim, FitReport
from modelops.domain.fit.specs import CheckpointFacts, EngineSettings, Gpu, ModelArchitecture
from modelops.domain.fit.suggestions import find_suggestions


def check_fit(
    model: ModelArchitecture,
    settings: EngineSettings,
    gpus: tuple[Gpu, ...],
    facts: CheckpointFacts | None = None,
    measured: MeasuredRun | None = None,
    *,
    aim: Aim = Aim.AS_ASKED,
) -> FitReport:
    """Answer with suggestions for the aim, each of which was checked in the same way.

    `measured` counts for the settings it ran with, and for suggestions that only change the context or the
    share of the card.

    Raises FieldError for a setting that has no meaning (an unknown dtype).
    """
    report = assess_fit(model, settings, gpus, facts, measured)
    given = facts or CheckpointFacts()
    suggestions = find_suggestions(model, settings, gpus, given, report, measured, aim=aim)
    return replace(report, aim=aim, suggestions=suggestions)
