"""Search for changes that make a model fit. Nothing is offered that the check itself does not pass."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gateway.wording import fill_in
from modelops.domain.fit.assessment import assess_fit
from modelops.domain.fit.engine_defaults import find_default_utilization
from modelops.domain.fit.gpu_catalog import complete_gpu
from modelops.domain.fit.measured_run import MeasuredRun
from modelops.domain.fit.quantization import parse_quantization
from modelops.domain.fit.report import MORE_GPUS, FitReport, LimitingTerm, Suggestion, Verdict
from modelops.domain.fit.specs import (
    CheckpointFacts,
    Dtype,
    EngineSettings,
    Gpu,
    ModelArchitecture,
    Quantization,
)

_UTILIZATIONS = (0.92, 0.95, 0.97)
_SEQUENCES = (128, 64, 16)
_PARALLEL_SIZES = (2, 4, 8, 16)
_LENGTH_STEP = 256
_SHORTEST_OFFER = 1024
_MOST_OFFERS = 8
_LOAD_TIME = "load_time_quantization"
_LOAD_TIME_METHOD = "fp8"
_SIBLINGS = (
    (fill_in("a 4-bit (AWQ or GPTQ) variant of the model"), Quantization("awq", 4, 128, 2.5)),
    (fill_in("an FP8 variant of the model"), Quantization("fp8", 8)),
)

Change = tuple[str, int | float | str | bool]


@dataclass(frozen=True)
class _Candidate:
    kind: str
    text: str
    changes: tuple[Change, ...]
    settings: EngineSettings
    gpus: tuple[Gpu, ...]
    model: ModelArchitecture
    facts: CheckpointFacts
    quantization: Quantization | None = None


@dataclass(frozen=True)
class _Situation:
    model: ModelArchitecture
    settings: EngineSettings
    gpus: tuple[Gpu, ...]
    facts: CheckpointFacts
    report: FitReport

    def change(self, kind: str, text: str, **changes: int | float | str | bool) -> _Candidate:
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]
        return _Candidate(kind, text, tuple(changes.items()), settings, self.gpus, self.model, self.facts)


def find_suggestions(
    model: ModelArchitecture,
    settings: EngineSettings,
    gpus: tuple[Gpu, ...],
    facts: CheckpointFacts,
    report: FitReport,
    measured: MeasuredRun | None = None,
) -> tuple[Suggestion, ...]:
    """Return checked changes, the least intrusive first. A report that fits (or is unknown) gets none."""
    if report.verdict in (Verdict.FITS, Verdict.UNKNOWN) or not gpus:
        return ()
    situation = _Situation(model, settings, gpus, facts, report)
    offers = _check_all(_list_single_changes(situation), report, measured)
    if not any(offer.is_of_settings and offer.kind != _LOAD_TIME for offer in offers):
        offers = _check_all(_list_combinations(situation), report, measured) + offers
    return tuple(offers[:_MOST_OFFERS])


def _check_all(
    candidates: Iterator[_Candidate], report: FitReport, measured: MeasuredRun | None
) -> list[Suggestion]:
    """Keep what passes; of each kind only the first. A tight report is only helped by one that fits."""
    wanted = (Verdict.FITS,) if report.verdict is Verdict.TIGHT else (Verdict.FITS, Verdict.TIGHT)
    offers: dict[str, Suggestion] = {}
    for candidate in candidates:
        if candidate.kind in offers:
            continue
        # Weights of another type are another model: what was measured says nothing of it.
        is_same = candidate.quantization is None and candidate.kind != _LOAD_TIME
        run = measured if is_same else None
        outcome = assess_fit(candidate.model, candidate.settings, candidate.gpus, candidate.facts, run)
        if outcome.verdict in wanted:
            offers[candidate.kind] = Suggestion(
                kind=candidate.kind,
                text=candidate.text,
                changes=candidate.changes,
                settings=candidate.settings,
                verdict=outcome.verdict,
                max_model_len_that_fits=outcome.max_model_len_that_fits or 0,
                gpu_count=len(candidate.gpus),
                quantization=candidate.quantization,
            )
    return list(offers.values())


def _list_single_changes(situation: _Situation) -> Iterator[_Candidate]:
    yield from _list_free_memory_changes(situation)
    yield from _list_context_changes(situation)
    yield from _list_dtype_changes(situation)
    yield from _list_parallel_changes(situation)
    yield from _list_memory_changes(situation)
    yield from _list_pipeline_changes(situation)
    yield from _list_load_time_changes(situation)
    yield from _list_siblings(situation)
    yield from _list_more_gpus(situation)


def _list_free_memory_changes(situation: _Situation) -> Iterator[_Candidate]:
    if situation.report.limit is not LimitingTerm.FREE_MEMORY:
        return
    used = situation.settings.tensor_parallel_size * situation.settings.pipeline_parallel_size
    cards = [complete_gpu(gpu) for gpu in situation.gpus[:used]]
    context = situation.report.context_bytes or 0
    share = min(
        ((gpu.total_bytes if gpu.free_bytes is None else gpu.free_bytes) - context) / gpu.total_bytes
        for gpu in cards
    )
    lowered = int(share * 100) / 100
    if lowered > 0:
        yield situation.change(
            "lower_utilization",
            fill_in(
                "lower --gpu-memory-utilization to {lowered}, or free memory on the card",
                lowered=f"{lowered:g}",
            ),
            gpu_memory_utilization=lowered,
        )


def _list_context_changes(situation: _Situation) -> Iterator[_Candidate]:
    positions = situation.model.max_positions
    asked = situation.settings.max_model_len
    if positions and asked and asked > positions:
        text = fill_in("--max-model-len {positions}: all the model has", positions=positions)
        yield situation.change("context", text, max_model_len=positions)
    longest = situation.report.max_model_len_that_fits or 0
    rounded = longest // _LENGTH_STEP * _LENGTH_STEP
    for length in (rounded, rounded * 9 // 10 // _LENGTH_STEP * _LENGTH_STEP, rounded // 2):
        if length >= _SHORTEST_OFFER and (situation.report.max_model_len or 0) > length:
            yield situation.change("context", f"--max-model-len {length}", max_model_len=length)


def _list_dtype_changes(situation: _Situation) -> Iterator[_Candidate]:
    if (
        situation.report.limit is LimitingTerm.COMPUTE_CAPABILITY
        and situation.settings.dtype == Dtype.BFLOAT16
    ):
        yield situation.change("dtype", "--dtype float16", dtype="float16")


def _list_parallel_changes(situation: _Situation) -> Iterator[_Candidate]:
    current = situation.settings.tensor_parallel_size
    smaller = [size for size in reversed((1, *_PARALLEL_SIZES)) if size < current]
    larger = [size for size in _PARALLEL_SIZES if size > current]
    for ranks in larger + smaller:
        if ranks * situation.settings.pipeline_parallel_size <= len(situation.gpus):
            yield situation.change(
                f"tensor_parallel_{'up' if ranks > current else 'down'}",
                f"--tensor-parallel-size {ranks}",
                tensor_parallel_size=ranks,
            )


def _list_pipeline_changes(situation: _Situation) -> Iterator[_Candidate]:
    """Pipeline stages take any number of cards, also where heads do not divide."""
    count = len(situation.gpus)
    if count > 1 and situation.settings.pipeline_parallel_size == 1:
        yield situation.change(
            "pipeline_parallel",
            f"--pipeline-parallel-size {count} --tensor-parallel-size 1",
            pipeline_parallel_size=count,
            tensor_parallel_size=1,
        )


def _list_memory_changes(situation: _Situation) -> Iterator[_Candidate]:
    settings = situation.settings
    current = settings.gpu_memory_utilization or find_default_utilization(settings.vllm_version)
    for share in (share for share in _UTILIZATIONS if share > current):
        text = f"--gpu-memory-utilization {share:g}"
        yield situation.change("utilization", text, gpu_memory_utilization=share)
    if settings.kv_cache_dtype == "auto":
        yield situation.change("kv_cache_dtype", "--kv-cache-dtype fp8", kv_cache_dtype="fp8")
    for sequences in (count for count in _SEQUENCES if count < (settings.max_num_seqs or 256)):
        yield situation.change("max_num_seqs", f"--max-num-seqs {sequences}", max_num_seqs=sequences)
    if not settings.enforce_eager:
        text = fill_in("--enforce-eager (no CUDA graphs, slower)")
        yield situation.change("enforce_eager", text, enforce_eager=True)


def _list_combinations(situation: _Situation) -> Iterator[_Candidate]:
    """Several changes at once, for when none alone is enough; ends with the shortest useful context."""
    best = max(0.95, situation.settings.gpu_memory_utilization or 0.0)
    ranks = situation.settings.tensor_parallel_size
    most = len(situation.gpus) // situation.settings.pipeline_parallel_size
    for size in sorted({ranks, *(size for size in _PARALLEL_SIZES if size <= most)}):
        for length in (None, 32768, 16384, 8192, 4096, 2048):
            if length is not None and length >= (situation.report.max_model_len or 0):
                continue
            changes: dict[str, int | float | str | bool] = {
                "gpu_memory_utilization": best,
                "max_num_seqs": min(16, situation.settings.max_num_seqs or 16),
            }
            if size != ranks:
                changes["tensor_parallel_size"] = size
            if length is not None:
                changes["max_model_len"] = length
            text = ", ".join(f"--{name.replace('_', '-')} {value}" for name, value in changes.items())
            yield situation.change("combination", text, **changes)


def _list_load_time_changes(situation: _Situation) -> Iterator[_Candidate]:
    """The same repository with half the weights: they are quantized each time that the engine starts."""
    if situation.model.quantization is not None or not situation.model.is_layout_known:
        return
    model = replace(situation.model, quantization=parse_quantization({}, _LOAD_TIME_METHOD))
    for length in _list_sibling_lengths(situation):
        changes: dict[str, int | float | str | bool] = {"quantization": _LOAD_TIME_METHOD}
        flags = f"--quantization {_LOAD_TIME_METHOD}"
        if length:
            changes["max_model_len"] = length
            flags += f" --max-model-len {length}"
        text = fill_in("{flags} (the weights are quantized while they load)", flags=flags)
        yield replace(situation.change(_LOAD_TIME, text, **changes), model=model)


def _list_siblings(situation: _Situation) -> Iterator[_Candidate]:
    """A quantized variant of the same model, where one exists: its size is computed, not looked up."""
    if situation.model.quantization is not None or not situation.model.is_layout_known:
        return
    for name, quantization in _SIBLINGS:
        facts = CheckpointFacts(parameters=situation.facts.parameters)
        sibling = replace(situation.model, quantization=quantization)
        for length in _list_sibling_lengths(situation):
            settings = replace(situation.settings, max_model_len=length) if length else situation.settings
            changes: tuple[Change, ...] = (("quantization", quantization.method),)
            if length:
                changes += (("max_model_len", length),)
            text = (
                fill_in("{variant} with {flags}", variant=name, flags=f"--max-model-len {length}")
                if length
                else name
            )
            kind = f"quantized_{quantization.method}"
            yield _Candidate(kind, text, changes, settings, situation.gpus, sibling, facts, quantization)


def _list_sibling_lengths(situation: _Situation) -> list[int | None]:
    asked = situation.report.max_model_len or situation.settings.max_model_len or 0
    return [None, *(length for length in (32768, 16384, 8192, 4096) if length < asked)]


def _list_more_gpus(situation: _Situation) -> Iterator[_Candidate]:
    """Suggest more cards of the kind that is there, as many as the model needs."""
    card = replace(situation.gpus[0], free_bytes=None)
    stages = situation.settings.pipeline_parallel_size
    for ranks in _PARALLEL_SIZES:
        if ranks * stages > len(situation.gpus):
            candidate = situation.change(
                MORE_GPUS,
                fill_in(
                    "{variant} with {flags}",
                    variant=f"{ranks * stages} × {card.name}",
                    flags=f"--tensor-parallel-size {ranks}",
                ),
                tensor_parallel_size=ranks,
            )
            yield replace(candidate, gpus=(card,) * (ranks * stages))
