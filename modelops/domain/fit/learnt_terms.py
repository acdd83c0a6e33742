"""Terms of the fit check that earlier starts on the same cards have measured, whatever model they served."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median, median_high

from modelops.domain.fit import calibration
from modelops.domain.fit.budget import Budget
from modelops.domain.fit.card_starts import CardStart
from modelops.domain.fit.correction import NO_CORRECTION, Correction
from modelops.domain.fit.eras import Version
from modelops.domain.fit.specs import GIB, Gpu

COUNTED_STARTS = 5
"""The newest of them: drivers and desktops change."""

_ENOUGH_STARTS = 3
"""From here on they speak for themselves: one or two shift the estimate and leave the formula in the band."""

_DEVIATIONS = 3
"""Times the median deviation: what nine in ten stay within, and no single outlier widens."""

_LEAST_RATIO_ERROR = 0.15

_PLAUSIBLE_CONTEXT = (int(0.1 * GIB), 3 * GIB)
"""0.41–1.54 GiB were seen (`calibration`); 2.6 on desktops, of which a part is the desktop's."""
_PLAUSIBLE_NON_TORCH = (0, 4 * GIB)
"""0.02–2.3 GiB were seen, the most on eight cards over NVLink."""
_PLAUSIBLE_RATIO = (0.2, 8.0)
"""Graphs of 0.1–4 GiB were seen where the formula gives 0.56."""
_PLAUSIBLE_COMPILE = (int(0.05 * GIB), 2 * GIB)
"""0.4–1.0 GiB were seen. Next to nothing: that start found what an earlier one had compiled."""


@dataclass(frozen=True)
class LearntTerm:
    """`error` is what nine starts in ten stay within, in the unit of the value."""

    value: float
    error: float
    sources: tuple[str, ...]
    """The starts that it was learnt from, the newest first."""
    is_here: bool
    """All of them were on the box that is asked about."""

    @property
    def is_proven(self) -> bool:
        return len(self.sources) >= _ENOUGH_STARTS


@dataclass(frozen=True)
class LearntTerms:
    """None for what no start has told."""

    context_bytes: LearntTerm | None = None
    most_context_bytes: LearntTerm | None = None
    non_torch_bytes: LearntTerm | None = None
    graph_ratio: LearntTerm | None = None
    compile_bytes: LearntTerm | None = None


NOTHING_LEARNT = LearntTerms()


@dataclass(frozen=True)
class Sought:
    """The engine whose terms are asked for: only starts like it count."""

    version: Version | None
    tag: str | None
    is_v0: bool
    split: tuple[int, int, int]
    graph_kind: tuple[bool, bool, bool]


def learn_terms(starts: Sequence[CardStart], sought: Sought) -> LearntTerms:
    """What the starts, newest first, tell of the terms of such an engine on the same kind of card.

    A term is the median of the newest few, the higher of the two in the middle: what is taken from the KV
    cache is not to be too small. Of the CUDA context the least counts, as other programs' memory is in it.
    What no engine can have measured is passed over.
    """
    alike = [
        start
        for start in _match_version(starts, sought)
        if (start.is_v0, start.split) == (sought.is_v0, sought.split)
    ]
    contexts = _pick(alike, "context_bytes", _PLAUSIBLE_CONTEXT)
    bounds = _pick(alike, "most_context_bytes", (_PLAUSIBLE_CONTEXT[0], float("inf")))
    graphs = [start for start in alike if start.graph_kind == sought.graph_kind]
    return LearntTerms(
        context_bytes=_take_least(contexts),
        most_context_bytes=_take_least(bounds),
        non_torch_bytes=_take_median(
            _pick(alike, "non_torch_bytes", _PLAUSIBLE_NON_TORCH), calibration.FIXED_ERROR_BYTES
        ),
        graph_ratio=_take_median(_pick(graphs, "graph_ratio", _PLAUSIBLE_RATIO), _LEAST_RATIO_ERROR),
        compile_bytes=_take_median(
            _pick(alike, "compile_bytes", _PLAUSIBLE_COMPILE), calibration.FIXED_ERROR_BYTES
        ),
    )


def _match_version(starts: Iterable[CardStart], sought: Sought) -> list[CardStart]:
    """Starts of the same minor version; for an image without one, of the newest version that its tag had."""
    if sought.version is not None:
        minor = sought.version[:2]
        return [start for start in starts if start.version is not None and start.version[:2] == minor]
    tagged = [start for start in starts if start.version is not None and start.tag == sought.tag]
    return [start for start in tagged if start.version[:2] == tagged[0].version[:2]]  # type: ignore[index]


@dataclass(frozen=True)
class _Value:
    value: float
    start: CardStart


def _pick(starts: Iterable[CardStart], name: str, plausible: tuple[float, float]) -> list[_Value]:
    """The newest values of one term that can be true."""
    least, most = plausible
    values = [_Value(getattr(start, name), start) for start in starts if getattr(start, name) is not None]
    return [each for each in values if least <= each.value <= most][:COUNTED_STARTS]


def _take_least(values: Sequence[_Value]) -> LearntTerm | None:
    if not values:
        return None
    return _name(values, min(each.value for each in values), 0.0)


def _take_median(values: Sequence[_Value], least_error: float) -> LearntTerm | None:
    if not values:
        return None
    middle = median_high(each.value for each in values)
    spread = _DEVIATIONS * median(abs(each.value - middle) for each in values)
    return _name(values, middle, max(spread, least_error))


def _name(values: Sequence[_Value], value: float, error: float) -> LearntTerm:
    sources = tuple(each.start.source for each in values)
    return LearntTerm(value, error, sources, all(each.start.is_here for each in values))


def find_learnt_correction(learnt: LearntTerms, computed: Budget, gpu: Gpu) -> Correction:
    """What to add to the formulas, whose answer for the settings asked about is `computed`."""
    non_torch, graphs = learnt.non_torch_bytes, learnt.graph_ratio
    correction = replace(
        NO_CORRECTION,
        context_bytes=_find_context(learnt.context_bytes, computed.context_bytes, gpu),
        most_context_bytes=None
        if learnt.most_context_bytes is None
        else int(learnt.most_context_bytes.value),
        compile_bytes=_find_compile(learnt.compile_bytes),
    )
    if non_torch is not None:
        change = int(non_torch.value) - computed.non_torch_bytes
        correction = replace(
            _keep_formula(correction, 0 if non_torch.is_proven else change),
            non_torch_bytes=change,
            non_torch_error_bytes=int(non_torch.error),
        )
    if graphs is not None:
        change = int((graphs.value - 1.0) * computed.cuda_graph_bytes)
        is_open = computed.settings.counts_graphs and not graphs.is_proven
        correction = replace(
            _keep_formula(correction, change if is_open else 0),
            cuda_graph_bytes=change,
            cuda_graph_error_bytes=int(graphs.error * computed.cuda_graph_bytes),
        )
    return correction


def _keep_formula(correction: Correction, change: int) -> Correction:
    """Leave what the formula gives within the band, on whichever side it lies."""
    return replace(
        correction,
        further_low_bytes=correction.further_low_bytes + max(0, -change),
        further_high_bytes=correction.further_high_bytes + max(0, change),
    )


def _find_context(term: LearntTerm | None, computed: int, gpu: Gpu) -> int | None:
    """A context that is larger than computed may be other programs': only that several starts found it says
    more, and what is taken now counts by itself."""
    if term is None:
        return None
    if term.value <= computed:
        return int(term.value)
    if not term.is_proven:
        return None
    taken = 0 if gpu.free_bytes is None else max(0, gpu.total_bytes - gpu.free_bytes)
    return max(computed, int(term.value) - taken)


def _find_compile(term: LearntTerm | None) -> int | None:
    """Until enough was seen, what is less than usual is believed by half."""
    if term is None:
        return None
    if term.is_proven:
        return int(term.value)
    return int(max(term.value, (term.value + calibration.COLD_COMPILE_BYTES) / 2))
