"""Search for changes that reach what the operator wants.

Nothing is offered that the check itself does not pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from gateway.wording import fill_in
from modelops.domain.fit.aims import find_better
from modelops.domain.fit.effects import list_costs, list_gains
from modelops.domain.fit.measured_run import MeasuredRun
from modelops.domain.fit.moves import (
    CONTEXT,
    LOAD_TIME,
    Trial,
    list_moves,
    list_smaller_sizes,
    list_strong_moves,
)
from modelops.domain.fit.report import MORE_GPUS, Aim, Change, FitReport, Suggestion, Verdict
from modelops.domain.fit.specs import CheckpointFacts, EngineSettings, Gpu, ModelArchitecture
from modelops.domain.fit.trials import Assess, CheckedTrial, find_asked_length, make_assess, settle_context

MOST_SUGGESTIONS = 3
_WORTH_MORE = 1.25
"""How much more of the context another change has to keep to be worth its price."""


def find_suggestions(
    model: ModelArchitecture,
    settings: EngineSettings,
    gpus: tuple[Gpu, ...],
    facts: CheckpointFacts,
    report: FitReport,
    measured: MeasuredRun | None = None,
    *,
    aim: Aim = Aim.AS_ASKED,
) -> tuple[Suggestion, ...]:
    """Return at most three checked changes, the best for the aim first.

    For what was asked they are needed only where it does not surely fit; for another aim each is better than
    what there is. None where nothing can be said.
    """
    if report.verdict is Verdict.UNKNOWN or not gpus:
        return ()
    start = Trial(model, settings, gpus, facts)
    assess = make_assess(measured)
    base = next((start.apply(move) for move in list_smaller_sizes(start)), start)
    basis = assess(base) if base.moves else report
    found = [] if aim is Aim.AS_ASKED else find_better(base, basis, assess, aim)
    if not found and report.verdict is not Verdict.FITS:
        found = _find_what_fits(base, basis, assess)
    return tuple(_suggest(start, report, outcome) for outcome in found)


def _find_what_fits(start: Trial, report: FitReport, assess: Assess) -> list[CheckedTrial]:
    """Changes that keep as much as possible of what was asked, those of settings alone first.

    Several at once are tried only while there are too few.
    """
    is_tight_as_asked = report.verdict is Verdict.TIGHT and not start.moves
    wanted = (Verdict.FITS,) if is_tight_as_asked else (Verdict.FITS, Verdict.TIGHT)
    outcomes: list[CheckedTrial] = []
    chosen: list[CheckedTrial] = []
    for search in (_try_single_moves, _try_pairs, _try_more_at_once):
        outcomes += [each for each in search(start, report, assess) if each.report.verdict in wanted]
        chosen = _choose_least(outcomes, report)
        if len([each for each in chosen if _is_sure_by_settings(each)]) == MOST_SUGGESTIONS:
            break
    return chosen


def _try_single_moves(start: Trial, report: FitReport, assess: Assess) -> Iterator[CheckedTrial]:
    """Of each kind of move up to the first that fits."""
    if start.moves:
        yield CheckedTrial(start, report)
    done: set[str] = set()
    for move in list_moves(start, report):
        if move.kind in done:
            continue
        trial = start.apply(move)
        outcome = CheckedTrial(trial, assess(trial))
        if outcome.report.verdict is Verdict.FITS:
            done.add(move.kind)
        yield outcome
    if shorter := _shorten(start, report, assess):
        yield shorter


def _shorten(start: Trial, report: FitReport, assess: Assess) -> CheckedTrial | None:
    """The longest context that fits, where more was asked for."""
    asked = find_asked_length(start, report)
    outcome = settle_context(start, assess, asked)
    return outcome if outcome and (outcome.report.max_model_len or 0) < asked else None


def _try_pairs(start: Trial, report: FitReport, assess: Assess) -> Iterator[CheckedTrial]:
    """Two changes at once; the second may be a shorter context."""
    asked = find_asked_length(start, report)
    strong = list_strong_moves(start, report)
    for first, second in combinations(strong, 2):
        trial = start.apply(first).apply(second)
        yield CheckedTrial(trial, assess(trial))
    others = [move for move in list_moves(start, report) if move.is_other_checkpoint]
    for move in (*strong, *others):
        outcome = settle_context(start.apply(move), assess, asked)
        if outcome and (outcome.report.max_model_len or 0) < asked:
            yield outcome


def _try_more_at_once(start: Trial, report: FitReport, assess: Assess) -> Iterator[CheckedTrial]:
    """For when two are not enough: two with a shorter context, and all that leave the weights alone."""
    asked = find_asked_length(start, report)
    strong = list_strong_moves(start, report)
    trials = [start.apply(first).apply(second) for first, second in combinations(strong, 2)]
    everything = start
    for move in strong:
        if move.kind in ("tensor_parallel_up", "utilization", "max_num_seqs", "kv_cache_dtype"):
            everything = everything.apply(move)
    yield CheckedTrial(everything, assess(everything))
    for trial in (*trials, everything):
        outcome = settle_context(trial, assess, asked)
        if outcome and (outcome.report.max_model_len or 0) < asked:
            yield outcome


def _is_sure_by_settings(outcome: CheckedTrial) -> bool:
    return outcome.trial.is_of_settings and outcome.report.verdict is Verdict.FITS


def _choose_least(outcomes: Sequence[CheckedTrial], report: FitReport) -> list[CheckedTrial]:
    """The least intrusive first; none that only adds a change to one that is there already.

    Of other checkpoints, and of more cards, one each.
    """
    chosen: list[CheckedTrial] = []
    for outcome in sorted(outcomes, key=lambda each: _rank_intrusion(each, report)):
        is_more = any(_adds_nothing(outcome, better) for better in chosen)
        if not is_more and len(chosen) < MOST_SUGGESTIONS:
            chosen.append(outcome)
    return chosen


def _rank_intrusion(outcome: CheckedTrial, before: FitReport) -> tuple[bool, bool, bool, int, int]:
    """What goes by a measured start comes before what the formulas alone say."""
    trial, report = outcome.trial, outcome.report
    is_sure = report.verdict is Verdict.FITS
    lacks_evidence = before.calibrated_from is not None and report.calibrated_from is None
    context = report.max_model_len or 0
    return (not trial.is_of_settings, not is_sure, lacks_evidence, trial.severity, -context)


def _adds_nothing(outcome: CheckedTrial, better: CheckedTrial) -> bool:
    has_group = not outcome.trial.is_of_settings and _name_group(outcome) == _name_group(better)
    if not has_group and not _name_kinds(better) <= _name_kinds(outcome):
        return False
    return (outcome.report.max_model_len or 0) < _WORTH_MORE * (better.report.max_model_len or 0)


def _name_group(outcome: CheckedTrial) -> str:
    if outcome.trial.is_of_settings:
        return "settings"
    return MORE_GPUS if MORE_GPUS in outcome.trial.kinds else "checkpoint"


def _name_kinds(outcome: CheckedTrial) -> frozenset[str]:
    """An FP8 variant is as large as the same weights that are quantized while they load."""
    return frozenset(LOAD_TIME if kind == "quantized_fp8" else kind for kind in outcome.trial.kinds)


def _suggest(start: Trial, report: FitReport, outcome: CheckedTrial) -> Suggestion:
    trial, found = outcome.trial, outcome.report
    return Suggestion(
        kind=_name_kind(trial),
        text=describe_trial(trial),
        changes=trial.changes,
        settings=trial.settings,
        verdict=found.verdict,
        max_model_len_that_fits=found.max_model_len_that_fits or 0,
        gpu_count=len(trial.gpus),
        quantization=next((move.quantization for move in trial.moves if move.is_other_checkpoint), None),
        max_model_len=found.max_model_len,
        max_concurrency=found.max_concurrency,
        gains=list_gains(report, start, found, trial),
        costs=list_costs(report, start, found, trial),
    )


def _name_kind(trial: Trial) -> str:
    """More cards are that whatever else they need; with a shorter context it is the other change's kind."""
    if not trial.is_of_settings and MORE_GPUS in trial.kinds:
        return MORE_GPUS
    others = [move.kind for move in trial.moves if move.kind != CONTEXT] or [CONTEXT]
    return others[0] if len(others) == 1 else "combination"


def describe_trial(trial: Trial) -> str:
    """The flags to set, and what else is needed."""
    hidden = {"quantization"} if any(move.is_other_checkpoint for move in trial.moves) else set()
    flags = write_flags(change for change in trial.changes if change[0] not in hidden)
    subject = next((move.subject for move in trial.moves if move.subject), "")
    if trial.moves and trial.moves[0].kind == "lower_utilization":
        return subject
    if subject and flags:
        return fill_in("{variant} with {flags}", variant=subject, flags=flags)
    return subject or flags


def write_flags(changes: Iterable[Change]) -> str:
    """Settings as the engine's command line has them."""
    return " ".join(_write_flag(name, value) for name, value in changes)


def _write_flag(name: str, value: int | float | str | bool) -> str:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    return f"--{flag} {value:g}" if isinstance(value, float) else f"--{flag} {value}"
