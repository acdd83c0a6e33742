"""Whether a model can hold what its users ask of it at once, and with which settings.

A user is counted as one request of that many tokens in the KV cache, prompt and answer together. Nothing is
said of speed: only memory is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from gateway.wording import fill_in
from modelops.domain.fit.effects import list_costs
from modelops.domain.fit.measured_run import MeasuredRun
from modelops.domain.fit.moves import (
    CONTEXT,
    Move,
    Trial,
    allow_sequences,
    list_moves,
    list_smaller_sizes,
    list_strong_moves,
)
from modelops.domain.fit.recommendation import Candidate, assess_candidate
from modelops.domain.fit.report import MORE_GPUS, Change, FitReport, LimitingTerm, Verdict
from modelops.domain.fit.specs import Gpu
from modelops.domain.fit.suggestions import describe_trial
from modelops.domain.fit.trials import Assess, make_assess, settle_context


class Holding(StrEnum):
    """Whether a model holds the demand, the best first."""

    HOLDS = "holds"
    """Also at the lower edge, which nine starts in ten reach."""
    TIGHT = "tight"
    """By the estimate, but not at the lower edge."""
    LACKS = "lacks"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class UserDemand:
    """So many users at once, each with that many tokens on average."""

    users: int
    tokens: int


@dataclass(frozen=True)
class Offer:
    """A candidate with the settings that come nearest to the demand, the least changed that hold it.

    Requests are whole ones of the demand's tokens, over all copies of the engine.
    """

    candidate: Candidate
    holding: Holding
    why: str
    report: FitReport
    changes: tuple[Change, ...] = ()
    costs: tuple[str, ...] = ()
    sure_requests: int = 0
    expected_requests: int = 0
    margin: float = 0.0
    """Sure requests for each user; below 1 the demand is not surely held."""


@dataclass(frozen=True)
class _Attempt:
    trial: Trial
    report: FitReport
    sure: int
    expected: int


def meet_demand(
    candidate: Candidate,
    demand: UserDemand,
    gpus: tuple[Gpu, ...] | None,
    measured: MeasuredRun | None = None,
    *,
    copies: int = 1,
) -> Offer:
    """Find the least change with which the candidate holds the demand; never raises for one that cannot.

    `copies` are equal engines that share the users; `gpus` are the cards of one of them.
    """
    if problem := _find_problem(candidate, demand, gpus):
        return problem
    if candidate.model is None or not gpus:
        raise ValueError("a candidate that has no problem has a model, and cards")
    settings = assess_candidate(candidate, gpus, measured).settings
    start = Trial(candidate.model, settings, gpus, candidate.facts)
    assess = make_assess(measured)
    share = UserDemand(-(-demand.users // copies), demand.tokens)
    best: _Attempt | None = None
    for trial in _list_trials(start, share, assess):
        attempt = _try(trial, assess, share)
        if best is None or _rate(attempt, share) > _rate(best, share):
            best = attempt
        if _rate(attempt, share)[0] == 2:
            break
    if best is None:
        raise ValueError("the start itself is tried")
    return _offer(candidate, demand, start, best, copies, assess(start))


def sort_offers(offers: Iterable[Offer], *, keeps_order: bool = False) -> tuple[Offer, ...]:
    """Those that hold the demand first; among equals the larger model, or the order given."""
    places = list(Holding)
    ranked = sorted(offers, key=lambda each: 0 if keeps_order else -_count_parameters(each.candidate))
    return tuple(sorted(ranked, key=lambda each: places.index(each.holding)))


def _count_parameters(candidate: Candidate) -> int:
    counted = candidate.model.parameters if candidate.model else 0
    return candidate.facts.parameters or counted


def _find_problem(candidate: Candidate, demand: UserDemand, gpus: tuple[Gpu, ...] | None) -> Offer | None:
    """Why no settings can help, or why nothing can be said."""

    def say(holding: Holding, limit: LimitingTerm, why: str) -> Offer:
        verdict = Verdict.UNKNOWN if holding is Holding.UNKNOWN else Verdict.DOES_NOT_FIT
        return Offer(candidate, holding, why, FitReport(verdict, limit, (why,)))

    model = candidate.model
    if not candidate.needs_gpu:
        return say(Holding.UNKNOWN, LimitingTerm.INPUT, fill_in("a simulated engine: it holds no tokens"))
    if model is None:
        return say(Holding.UNKNOWN, LimitingTerm.LAYOUT, candidate.problem)
    if gpus is None:
        why = fill_in("the GPUs are not known: nothing has read them yet")
        return say(Holding.UNKNOWN, LimitingTerm.INPUT, why)
    if not gpus:
        return say(Holding.LACKS, LimitingTerm.GPU_COUNT, fill_in("a GPU is needed, and there is none"))
    is_pooling = model.is_pooling if candidate.settings.is_pooling is None else candidate.settings.is_pooling
    if is_pooling:
        return say(Holding.LACKS, LimitingTerm.INPUT, fill_in("it embeds or classifies, and writes no text"))
    if model.max_positions and demand.tokens > model.max_positions:
        positions = f"{model.max_positions:,}"
        why = fill_in("the model has {positions} positions, too few for such a request", positions=positions)
        return say(Holding.LACKS, LimitingTerm.CONTEXT, why)
    return None


def _list_trials(start: Trial, share: UserDemand, assess: Assess) -> Iterator[Trial]:
    """The profile as it is, then changed, the least first."""
    bases = [_lengthen(base, share) for base in _list_bases(start)]
    yield from bases
    changed: list[Trial] = []
    for base in bases:
        report = assess(base)
        if report.verdict is Verdict.UNKNOWN:
            continue
        strong = [move for move in list_strong_moves(base, report) if _may_use(move, share)]
        singles = [move for move in list_moves(base, report) if _may_use(move, share)]
        changed += [base.apply(move) for move in singles]
        changed += [base.apply(first).apply(second) for first, second in combinations(strong, 2)]
        changed += _shorten(base, strong, share, assess)
    yield from sorted(changed, key=lambda trial: trial.severity)


def _list_bases(start: Trial) -> Iterator[Trial]:
    """The profile, and with fewer cards where it asks for more than there are."""
    yield start
    yield from (start.apply(move) for move in list_smaller_sizes(start))


def _lengthen(base: Trial, share: UserDemand) -> Trial:
    """Long enough for one such request."""
    asked = base.settings.max_model_len or base.model.default_max_model_len or 0
    if asked >= share.tokens or base.settings.is_max_model_len_auto:
        return base
    return base.apply(Move(CONTEXT, 0, (("max_model_len", share.tokens),)))


def _may_use(move: Move, share: UserDemand) -> bool:
    if move.is_other_checkpoint or move.kind in (MORE_GPUS, "lower_utilization"):
        return False
    return int(dict(move.changes).get("max_num_seqs", share.users)) >= share.users


def _shorten(base: Trial, strong: list[Move], share: UserDemand, assess: Assess) -> Iterator[Trial]:
    """A shorter context than the profile has, where that one does not surely fit, but never too short."""
    asked = base.settings.max_model_len or base.model.default_max_model_len or 0
    for trial in (base, *(base.apply(move) for move in strong)):
        settled = settle_context(trial, assess, asked)
        if settled and share.tokens <= (settled.report.max_model_len or 0) < asked:
            yield settled.trial


def _try(trial: Trial, assess: Assess, share: UserDemand) -> _Attempt:
    """Whole requests that run at once, in a batch that takes as many as are asked for and the cache holds."""
    report = assess(trial)
    batch, held = report.max_num_seqs or 0, int(report.count_requests(share.tokens))
    if batch < min(held, share.users):
        trial = trial.apply(allow_sequences(min(held, share.users)))
        report = assess(trial)
        batch, held = report.max_num_seqs or 0, int(report.count_requests(share.tokens))
    if not report.is_runnable or (report.max_model_len or 0) < share.tokens:
        return _Attempt(trial, report, 0, 0)
    is_sure = report.verdict is Verdict.FITS
    sure = min(int(report.count_sure_requests(share.tokens)), batch) if is_sure else 0
    ranks = report.data_parallel_size
    return _Attempt(trial, report, sure * ranks, min(held, batch) * ranks)


def _rate(attempt: _Attempt, share: UserDemand) -> tuple[int, int, int]:
    """Whether it holds the demand (2), holds it by the estimate (1) or does not, then what it holds."""
    level = 2 if attempt.sure >= share.users else 1 if attempt.expected >= share.users else 0
    return level, attempt.sure, attempt.expected


def _offer(
    candidate: Candidate, demand: UserDemand, start: Trial, best: _Attempt, copies: int, before: FitReport
) -> Offer:
    sure, expected = best.sure * copies, best.expected * copies
    level = _rate(best, UserDemand(-(-demand.users // copies), demand.tokens))[0]
    report, trial = best.report, best.trial
    holding = (Holding.LACKS, Holding.TIGHT, Holding.HOLDS)[level]
    if report.verdict is Verdict.UNKNOWN:
        holding = Holding.UNKNOWN
    is_changed = level > 0 and bool(trial.moves)
    return Offer(
        candidate,
        holding,
        _explain(holding, demand, best, sure, expected),
        report,
        trial.changes if is_changed else (),
        list_costs(before, start, report, trial) if is_changed else (),
        sure,
        expected,
        round(sure / demand.users, 2),
    )


def _explain(holding: Holding, demand: UserDemand, best: _Attempt, sure: int, expected: int) -> str:
    values = {"sure": sure, "expected": expected, "users": demand.users, "tokens": f"{demand.tokens:,}"}
    report, flags = best.report, describe_trial(best.trial)
    if holding is Holding.HOLDS:
        return fill_in(
            "surely holds {sure} requests of {tokens} tokens at once, {users} are asked for", **values
        )
    if holding is Holding.TIGHT and report.verdict is Verdict.TIGHT:
        return fill_in(
            "holds {expected} requests of {tokens} tokens at once by the estimate, but it is tight: {why}",
            **values,
            why=report.reasons[0],
        )
    if holding is Holding.TIGHT:
        return fill_in(
            "holds {expected} requests of {tokens} tokens at once by the estimate, surely only {sure}",
            **values,
        )
    if not report.is_runnable and report.reasons:
        return report.reasons[0]
    if flags:
        return fill_in(
            "holds only {expected} requests of {tokens} tokens at once, surely {sure}, even with {flags}",
            **values,
            flags=flags,
        )
    return fill_in("holds only {expected} requests of {tokens} tokens at once, surely {sure}", **values)
