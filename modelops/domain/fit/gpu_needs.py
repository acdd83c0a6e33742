"""Which GPUs a model needs: the recommendation the other way round."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from modelops.domain.fit.assessment import assess_fit
from modelops.domain.fit.gpu_catalog import complete_gpu, find_card
from modelops.domain.fit.recommendation import does_all_asked
from modelops.domain.fit.report import FitReport, Verdict
from modelops.domain.fit.specs import MIB, CheckpointFacts, EngineSettings, Gpu, ModelArchitecture

_SHORTEST_USEFUL_CONTEXT = 2048

CARD_COUNTS = (1, 2, 4, 8)
KNOWN_CARDS = (
    "RTX 3060",
    "Tesla T4",
    "RTX 4060 Ti",
    "RTX 5080",
    "L4",
    "RTX 3090",
    "RTX 4090",
    "RTX 5090",
    "A100 40GB",
    "L40S",
    "RTX A6000",
    "A100 80GB",
    "H100 80GB",
    "RTX PRO 6000",
    "H200",
    "B200",
)
"""The cards that `find_needs` looks through, all in `gpu_catalog`."""


@dataclass(frozen=True)
class Need:
    """One set of equal cards that runs a model; `has_full_context` when it serves all that was asked for."""

    card: str
    count: int
    total_bytes: int
    settings: EngineSettings
    report: FitReport
    has_full_context: bool


def find_needs(
    model: ModelArchitecture,
    settings: EngineSettings,
    facts: CheckpointFacts,
    *,
    cards: Sequence[str] = KNOWN_CARDS,
    counts: Sequence[int] = CARD_COUNTS,
) -> tuple[Need, ...]:
    """The smallest set of each card that runs the model, the least total memory first.

    Sets that serve the whole context asked for come before those that must shorten it. Empty when no
    set does, or when the model is not understood.
    """
    needs = [need for card in cards for need in _find_sets(model, settings, facts, card, counts)]
    return tuple(sorted(needs, key=lambda need: (not need.has_full_context, need.total_bytes, need.count)))


def _find_sets(
    model: ModelArchitecture,
    settings: EngineSettings,
    facts: CheckpointFacts,
    card: str,
    counts: Sequence[int],
) -> Iterator[Need]:
    """The first count that shortens the context, if any, and the first that serves all of it."""
    known = find_card(card)
    if known is None:
        raise ValueError(f"{card!r} is not a known card")
    gpu = complete_gpu(Gpu(card, known.driver_total_mib * MIB))
    has_shortened = False
    for count in counts:
        gpus = (gpu,) * count
        found = _try_count(model, settings, facts, gpus)
        if found is None:
            continue
        need = Need(card, count, count * gpu.total_bytes, *found)
        if need.has_full_context:
            yield need
            return
        if not has_shortened:
            has_shortened = True
            yield need


def _try_count(
    model: ModelArchitecture, settings: EngineSettings, facts: CheckpointFacts, gpus: tuple[Gpu, ...]
) -> tuple[EngineSettings, FitReport, bool] | None:
    """All cards by tensor parallel, else by pipeline; first as asked, then with the context that fits."""
    count = len(gpus)
    alone = replace(settings, data_parallel_size=1, pp_layer_partition=None)
    layouts = [replace(alone, tensor_parallel_size=count, pipeline_parallel_size=1)]
    if count > 1:
        layouts.append(replace(alone, tensor_parallel_size=1, pipeline_parallel_size=count))
    for layout in layouts:
        report = assess_fit(model, layout, gpus, facts)
        if report.is_runnable:
            return layout, report, does_all_asked(replace(report, verdict=Verdict.FITS), layout, model)
    for layout in layouts:
        shortened = replace(layout, max_model_len=None, is_max_model_len_auto=True)
        report = assess_fit(model, shortened, gpus, facts)
        if report.is_runnable and (report.max_model_len or 0) >= _SHORTEST_USEFUL_CONTEXT:
            return replace(shortened, max_model_len=report.max_model_len), report, False
    return None
