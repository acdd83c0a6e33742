"""Changes that may help a model on its cards, each with how much it asks of the operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gateway.wording import fill_in
from modelops.domain.fit.engine_defaults import find_traits, resolve_settings
from modelops.domain.fit.gpu_catalog import complete_gpu
from modelops.domain.fit.quantization import parse_quantization
from modelops.domain.fit.report import MORE_GPUS, Change, FitReport, LimitingTerm
from modelops.domain.fit.specs import (
    CheckpointFacts,
    Dtype,
    EngineSettings,
    Gpu,
    ModelArchitecture,
    Quantization,
    ResolvedSettings,
)

CONTEXT = "context"
LOAD_TIME = "load_time_quantization"
TEXT_ONLY = "text_only"
PARALLEL_SIZES = (2, 4, 8, 16)

_LOAD_TIME_METHOD = "fp8"
_UTILIZATIONS = (0.92, 0.95, 0.97)
_SAFE_UTILIZATION = 0.95
"""Beyond this little is left for whatever else comes to run on the card."""
_SPARE_SHARE = 0.01
"""Stays free in any case."""
_SEQUENCES = {128: 1, 64: 2, 16: 3}
_BATCHED_TOKENS = (4096, 2048, 1024)
_SIBLINGS = (
    (fill_in("an FP8 variant of the model"), Quantization("fp8", 8), 6),
    (fill_in("a 4-bit (AWQ or GPTQ) variant of the model"), Quantization("awq", 4, 128, 2.5), 7),
)
_MORE_CARDS = 8
"""How severe a need for more cards is at least: the more, the worse."""
_FIT_NAMES = {"language_model_only": "is_text_only"}
"""Settings of a profile that the fit check calls by another name."""


@dataclass(frozen=True)
class Move:
    """One change. `severity` ranks what it asks of people, from 0; above 5 are other checkpoints and cards.

    `changes` are settings of a profile. Those of another checkpoint describe it and are not set.
    """

    kind: str
    severity: int
    changes: tuple[Change, ...] = ()
    subject: str = ""
    """What is to be used, where settings alone do not say it."""
    quantization: Quantization | None = None
    is_other_checkpoint: bool = False
    gpus: tuple[Gpu, ...] | None = None


@dataclass(frozen=True)
class Trial:
    """A model with settings on cards, as they would be after the moves."""

    model: ModelArchitecture
    settings: EngineSettings
    gpus: tuple[Gpu, ...]
    facts: CheckpointFacts
    moves: tuple[Move, ...] = ()

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(move.kind for move in self.moves)

    @property
    def severity(self) -> int:
        return sum(move.severity for move in self.moves)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The settings to change, a later move's value in place of an earlier one's."""
        return tuple({name: value for move in self.moves for name, value in move.changes}.items())

    @property
    def is_of_settings(self) -> bool:
        """Whether the profile's own settings do it: no other checkpoint and no more cards are needed."""
        return not any(move.is_other_checkpoint or move.kind == MORE_GPUS for move in self.moves)

    @property
    def has_same_weights(self) -> bool:
        """Weights of another type are another model: what was measured says nothing of it."""
        return all(move.quantization is None for move in self.moves)

    def apply(self, move: Move) -> Trial:
        values = {} if move.is_other_checkpoint else dict(move.changes)
        fields = {_FIT_NAMES.get(name, name): value for name, value in values.items()}
        if "max_model_len" in fields:
            fields["is_max_model_len_auto"] = False
        model, facts = self.model, self.facts
        if move.quantization is not None:
            model = replace(model, quantization=move.quantization)
        if move.is_other_checkpoint:
            facts = CheckpointFacts(parameters=facts.parameters)
        settings = replace(self.settings, **fields)  # type: ignore[arg-type]  # named as the fields are
        return Trial(model, settings, move.gpus or self.gpus, facts, (*self.moves, move))

    def resolve(self) -> ResolvedSettings:
        """The settings with the engine's defaults."""
        gpu = complete_gpu(self.gpus[0])
        return resolve_settings(self.settings, self.model, gpu, find_traits(self.settings, gpu))


def shorten_context(length: int, asked: int) -> Move:
    """A context of that length in place of the one asked for; losing more of it weighs more."""
    kept = length / max(asked, 1)
    severity = 0 if kept >= 1 else 2 if kept >= 0.75 else 3 if kept >= 0.5 else 4
    return Move(CONTEXT, severity, (("max_model_len", length),))


def list_moves(trial: Trial, report: FitReport) -> Iterator[Move]:
    """Single changes of the trial, several values of a kind from the least to the most."""
    yield from _list_corrections(trial, report)
    yield from _list_parallel_moves(trial)
    yield from _list_utilizations(trial, report)
    yield from _list_memory_moves(trial)
    yield from _list_weight_moves(trial)
    yield from _list_more_gpus(trial)


def list_strong_moves(trial: Trial, report: FitReport) -> list[Move]:
    """Of each kind of setting the change that frees the most memory, for use with others."""
    last = {move.kind: move for move in list_moves(trial, report) if _is_combined(move)}
    return list(last.values())


def _is_combined(move: Move) -> bool:
    is_of_settings = not move.is_other_checkpoint and move.kind != MORE_GPUS
    if move.kind == "utilization" and move.severity > 1:
        return False
    return is_of_settings and move.kind not in ("lower_utilization", "dtype", "tensor_parallel_down", CONTEXT)


def _list_corrections(trial: Trial, report: FitReport) -> Iterator[Move]:
    """What only puts right what the engine would refuse."""
    if report.limit is LimitingTerm.FREE_MEMORY:
        lowered = find_room(trial, report)
        if lowered > 0:
            subject = fill_in(
                "lower --gpu-memory-utilization to {lowered}, or free memory on the card",
                lowered=f"{lowered:g}",
            )
            yield Move("lower_utilization", 0, (("gpu_memory_utilization", lowered),), subject)
    positions, asked = trial.model.max_positions, trial.settings.max_model_len
    if positions and asked and asked > positions:
        yield Move(CONTEXT, 1, (("max_model_len", positions),))
    if report.limit is LimitingTerm.COMPUTE_CAPABILITY and trial.settings.dtype == Dtype.BFLOAT16:
        yield Move("dtype", 0, (("dtype", "float16"),))


def find_room(trial: Trial, report: FitReport) -> float:
    """The share of each card, in whole hundredths, that is free once the engine's own context is there."""
    context = report.context_bytes or 0
    cards = [complete_gpu(gpu) for gpu in trial.gpus[: trial.settings.gpu_count]]
    shares = [
        ((gpu.total_bytes if gpu.free_bytes is None else gpu.free_bytes) - context) / gpu.total_bytes
        for gpu in cards
    ]
    return int(min(shares, default=0.0) * 100) / 100


def _list_parallel_moves(trial: Trial) -> Iterator[Move]:
    """Pipeline stages take any number of cards, also where heads do not divide."""
    settings, count = trial.settings, len(trial.gpus)
    current, stages = settings.tensor_parallel_size, settings.pipeline_parallel_size
    larger = [size for size in PARALLEL_SIZES if size > current]
    smaller = [size for size in reversed((1, *PARALLEL_SIZES)) if size < current]
    for size in larger + smaller:
        if size * settings.cards_per_slice <= count:
            kind = f"tensor_parallel_{'up' if size > current else 'down'}"
            yield Move(kind, 1, (("tensor_parallel_size", size),))
    if count > 1 and settings.cards_per_slice == 1:
        changes: tuple[Change, ...] = (("pipeline_parallel_size", count), ("tensor_parallel_size", 1))
        yield Move("pipeline_parallel", 4, changes)
    if stages > 1 and settings.gpu_count <= count:
        changes = (("pipeline_parallel_size", 1), ("tensor_parallel_size", current * stages))
        yield Move("tensor_parallel_up", 1, changes)


def list_smaller_sizes(trial: Trial) -> Iterator[Move]:
    """Fewer cards for a model that asks for more than there are, the most of them first."""
    most = len(trial.gpus) // trial.settings.cards_per_slice
    if trial.settings.tensor_parallel_size > most:
        for size in reversed((1, *PARALLEL_SIZES)):
            if size <= most:
                yield Move("tensor_parallel_down", 1, (("tensor_parallel_size", size),))


def _list_utilizations(trial: Trial, report: FitReport) -> Iterator[Move]:
    """Never more of a card than is free on it."""
    room, current = find_room(trial, report) - _SPARE_SHARE, trial.resolve().gpu_memory_utilization
    for share in sorted({*_UTILIZATIONS, round(min(room, _UTILIZATIONS[-1]), 2)}):
        if current < share <= room:
            severity = 1 if share <= _SAFE_UTILIZATION else 2
            yield Move("utilization", severity, (("gpu_memory_utilization", share),))


def _list_memory_moves(trial: Trial) -> Iterator[Move]:
    settings, resolved = trial.settings, trial.resolve()
    for count, severity in _SEQUENCES.items():
        if count < resolved.max_num_seqs:
            yield Move("max_num_seqs", severity, (("max_num_seqs", count),))
    for tokens in _BATCHED_TOKENS:
        # A batch holds at least one token of each request.
        if resolved.max_num_seqs <= tokens < resolved.max_num_batched_tokens:
            yield Move("max_num_batched_tokens", 2, (("max_num_batched_tokens", tokens),))
    if settings.kv_cache_dtype == "auto":
        yield Move("kv_cache_dtype", 3, (("kv_cache_dtype", "fp8"),))
    if trial.model.vision is not None and not settings.is_text_only:
        yield Move(TEXT_ONLY, 5, (("language_model_only", True),))
    if not settings.enforce_eager:
        yield Move("enforce_eager", 5, (("enforce_eager", True),))


def _list_weight_moves(trial: Trial) -> Iterator[Move]:
    """Smaller weights: of the same repository, quantized at each start; or of a variant, where there is one,
    whose size is computed and not looked up."""
    if trial.model.quantization is not None or not trial.model.is_layout_known:
        return
    method = parse_quantization({}, _LOAD_TIME_METHOD)
    yield Move(LOAD_TIME, 5, (("quantization", _LOAD_TIME_METHOD),), quantization=method)
    for subject, quantization, severity in _SIBLINGS:
        kind = f"quantized_{quantization.method}"
        changes: tuple[Change, ...] = (("quantization", quantization.method),)
        yield Move(kind, severity, changes, subject, quantization, is_other_checkpoint=True)


def _list_more_gpus(trial: Trial) -> Iterator[Move]:
    """More cards of the kind that is there, as many as the model needs."""
    card = replace(trial.gpus[0], free_bytes=None)
    for severity, size in enumerate(PARALLEL_SIZES, _MORE_CARDS):
        count = size * trial.settings.cards_per_slice
        if count > len(trial.gpus):
            subject = fill_in("{count} × {card}", count=count, card=card.name)
            yield Move(MORE_GPUS, severity, (("tensor_parallel_size", size),), subject, gpus=(card,) * count)


def allow_sequences(count: int) -> Move:
    """As many requests in one batch as there is memory for."""
    return Move("more_sequences", 1, (("max_num_seqs", count),))
