"""Search for settings that give the longest context, the most users or the least latency."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from modelops.domain.fit.effects import count_token_reads
from modelops.domain.fit.moves import CONTEXT, Move, Trial, allow_sequences, list_moves, list_strong_moves
from modelops.domain.fit.report import Aim, FitReport, Verdict
from modelops.domain.fit.trials import Assess, CheckedTrial, find_asked_length, settle_context

_SAME_SCORE = 0.95
"""A change that costs less is not worse for reaching a little less."""
_EAGER_SHARE = 1e-3
"""Sorts every setting without CUDA graphs behind all that have them."""


def find_better(start: Trial, report: FitReport, assess: Assess, aim: Aim) -> list[CheckedTrial]:
    """What gets most of the aim, then less for a lower price: the best, one between, and the cheapest.

    Empty where settings alone do not even make it fit.
    """
    asked = find_asked_length(start, report)
    if start.settings.is_max_model_len_auto and aim is not Aim.CONTEXT:
        # The engine would take another context after each change.
        start = start.apply(Move(CONTEXT, 0, (("max_model_len", asked),)))
    outcomes: list[CheckedTrial] = []
    for trials in (_list_single_trials(start, report, aim), _list_double_trials(start, report, aim)):
        outcomes += [each for trial in trials for each in _try_for_aim(trial, assess, aim, asked)]
        if aim is Aim.CONTEXT and any(_has_all_positions(each) for each in outcomes):
            break
    is_served = report.verdict is Verdict.FITS and not start.moves
    baseline = _score(aim, start, report, asked) if is_served else 0.0
    better = [each for each in outcomes if each.score * _SAME_SCORE > baseline and each.trial.moves]
    of_settings = [each for each in better if each.trial.is_of_settings]
    if not of_settings and report.verdict is not Verdict.FITS:
        return []
    front = _choose_front(of_settings or better)
    return [front[0], front[len(front) // 2], front[-1]] if len(front) > 3 else front


def _has_all_positions(outcome: CheckedTrial) -> bool:
    positions = outcome.trial.model.max_positions or 0
    return outcome.trial.is_of_settings and (outcome.report.max_model_len or 0) >= positions


def _try_for_aim(trial: Trial, assess: Assess, aim: Aim, asked: int) -> Iterator[CheckedTrial]:
    """The trial with its score where it surely fits; also with larger batches where more requests fit."""
    outcome = (
        settle_context(trial, assess, asked) if aim is Aim.CONTEXT else CheckedTrial(trial, assess(trial))
    )
    if outcome is None or outcome.report.verdict is not Verdict.FITS:
        return
    trial, report = outcome.trial, outcome.report
    yield CheckedTrial(trial, report, _score(aim, trial, report, asked))
    sure = report.count_sure_requests(asked)
    if aim is Aim.USERS and sure > (report.max_num_seqs or 0):
        wider = trial.apply(allow_sequences(int(sure)))
        report = assess(wider)
        if report.verdict is Verdict.FITS:
            yield CheckedTrial(wider, report, _score(aim, wider, report, asked))


def _list_single_trials(start: Trial, report: FitReport, aim: Aim) -> Iterator[Trial]:
    yield start
    yield from (start.apply(move) for move in _list_moves_for_aim(start, report, aim))


def _list_moves_for_aim(start: Trial, report: FitReport, aim: Aim) -> Iterator[Move]:
    yield from (each for each in list_moves(start, report) if each.kind not in (CONTEXT, "lower_utilization"))
    if aim is Aim.LATENCY and start.settings.enforce_eager:
        yield Move("graphs", 0, (("enforce_eager", False),))


def _list_double_trials(start: Trial, report: FitReport, aim: Aim) -> Iterator[Trial]:
    strong = list_strong_moves(start, report)
    if aim is Aim.LATENCY:
        strong += [each for each in _list_moves_for_aim(start, report, aim) if each.kind == "graphs"]
    for first, second in combinations(strong, 2):
        yield start.apply(first).apply(second)


def _score(aim: Aim, trial: Trial, report: FitReport, asked: int) -> float:
    """More is better; of one aim scores compare in proportion."""
    if aim is Aim.CONTEXT:
        return float(report.max_model_len or 0)
    if aim is Aim.USERS:
        return min(report.count_sure_requests(asked), float(report.max_num_seqs or 0))
    reads = count_token_reads(report)
    return (_EAGER_SHARE if trial.settings.enforce_eager else 1.0) / max(reads, 1)


def _choose_front(outcomes: Sequence[CheckedTrial]) -> list[CheckedTrial]:
    """By score, without what costs as much as or more than another that reaches nearly as much."""
    cheapest_first = sorted(outcomes, key=lambda each: (each.trial.severity, -each.score))
    front: list[CheckedTrial] = []
    for outcome in cheapest_first:
        if not front or outcome.score * _SAME_SCORE > front[-1].score:
            front.append(outcome)
    return front[::-1]
