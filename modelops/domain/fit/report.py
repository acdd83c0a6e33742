"""What the fit check answers: a verdict, the term that decides it, sizes per GPU, and suggestions."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from modelops.domain.fit.kv_cache import CacheLayout
from modelops.domain.fit.specs import EngineSettings, Quantization

MORE_GPUS = "more_gpus"
"""The kind of a suggestion that needs more cards."""

Change = tuple[str, int | float | str | bool]
"""A setting of a profile and its new value."""


class Aim(StrEnum):
    """What suggestions are to reach."""

    AS_ASKED = "as_asked"
    """That it starts with as much of what was asked as can be kept."""
    CONTEXT = "context"
    USERS = "users"
    LATENCY = "latency"


class Verdict(StrEnum):
    FITS = "fits"
    TIGHT = "tight"
    DOES_NOT_FIT = "does_not_fit"
    UNKNOWN = "unknown"


class LimitingTerm(StrEnum):
    """The term that decides: what fails, or what would fail first."""

    NONE = "none"
    WEIGHTS = "weights"
    ACTIVATION = "activation"
    KV_CACHE = "kv_cache"
    CUDA_GRAPHS = "cuda_graphs"
    FREE_MEMORY = "free_memory"
    GPU_COUNT = "gpu_count"
    PARALLEL_SIZE = "tensor_parallel_size"
    COMPUTE_CAPABILITY = "compute_capability"
    QUANTIZATION = "quantization"
    CONTEXT = "max_model_len"
    LAYOUT = "layout"
    INPUT = "input"


@dataclass(frozen=True)
class Band:
    """Where the KV cache will lie in nine runs of ten, in bytes per GPU."""

    low_bytes: int
    high_bytes: int


@dataclass(frozen=True)
class Suggestion:
    """A change that was checked: `verdict` and all sizes are what it leads to."""

    kind: str
    text: str
    changes: tuple[Change, ...]
    settings: EngineSettings
    verdict: Verdict
    max_model_len_that_fits: int
    gpu_count: int
    quantization: Quantization | None = None
    """Set when the change is another, quantized variant of the model."""
    max_model_len: int | None = None
    max_concurrency: float | None = None
    gains: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()

    @property
    def is_of_settings(self) -> bool:
        """Whether the profile's own settings do it: no other checkpoint and no more cards are needed."""
        return self.quantization is None and self.kind != MORE_GPUS


@dataclass(frozen=True)
class LearntFrom:
    """A figure that goes by what earlier starts of any model measured on such cards."""

    figure: str
    """Its name in `FitReport`."""
    sources: tuple[str, ...]
    is_here: bool
    """They were on the box that is asked about."""


@dataclass(frozen=True)
class FitReport:
    """One answer. Bytes are per GPU, of the tightest pipeline stage; None where nothing can be said.

    A negative `kv_cache_bytes` is what is missing.
    """

    verdict: Verdict
    limit: LimitingTerm
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    """What was taken for granted because nobody said it, in a few words each."""
    weights_bytes: int | None = None
    activation_bytes: int | None = None
    non_torch_bytes: int | None = None
    cuda_graph_bytes: int | None = None
    reserved_graph_bytes: int | None = None
    """What of the graphs the budget pays for: all, or nothing in versions that leave them beside it."""
    context_bytes: int | None = None
    budget_bytes: int | None = None
    kv_cache_bytes: int | None = None
    first_start_kv_cache_bytes: int | None = None
    """At the first start after any change, while torch.compile works; None where it takes no more."""
    kv_cache_tokens: int | None = None
    kv_bytes_per_request: int | None = None
    unassigned_bytes: int | None = None
    """Of the budget, what no term takes: not 0 only where the size of the KV cache was given."""
    layout: CacheLayout | None = None
    """How the KV cache is laid out, to ask it about requests of other lengths."""
    max_num_seqs: int | None = None
    """Requests in one batch: given, or the engine's default."""
    max_model_len: int | None = None
    max_model_len_that_fits: int | None = None
    max_concurrency: float | None = None
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1
    weights_source: str | None = None
    draft_bytes: int | None = None
    """Of the weights, what guesses tokens (speculative decoding); on the last pipeline stage."""
    adapter_bytes: int | None = None
    """Of the weights, the room for LoRA adapters."""
    offloaded_bytes: int | None = None
    """Weights that stay in host memory, and are not among the weights."""
    band: Band | None = None
    calibrated_from: str | None = None
    """The start whose measured sizes took the place of the formulas."""
    aim: Aim = Aim.AS_ASKED
    learnt: tuple[LearntFrom, ...] = ()
    suggestions: tuple[Suggestion, ...] = field(default=())

    @property
    def is_runnable(self) -> bool:
        return self.verdict in (Verdict.FITS, Verdict.TIGHT)

    def count_requests(self, tokens: int, cache_bytes: int | None = None) -> float:
        """How many requests of that many tokens the KV cache holds: the estimated one, or one of this size.

        0 where nothing is known of the cache.
        """
        size = self.kv_cache_bytes if cache_bytes is None else cache_bytes
        if self.layout is None or self.layout.is_empty or size is None:
            return 0.0
        return self.layout.count_requests(tokens, size)

    def count_sure_requests(self, tokens: int) -> float:
        """The same at the lower edge, which nine starts in ten reach."""
        return self.count_requests(tokens, self.band.low_bytes) if self.band is not None else 0.0


def serialise_report(report: FitReport) -> dict[str, Any]:
    """Return the report as plain JSON values under the names the command line prints."""
    return {
        "verdict": str(report.verdict),
        "limit": str(report.limit),
        "reasons": list(report.reasons),
        "notes": list(report.notes),
        "assumptions": list(report.assumptions),
        "weights_bytes": report.weights_bytes,
        "weights_source": report.weights_source,
        "draft_bytes": report.draft_bytes,
        "adapter_bytes": report.adapter_bytes,
        "offloaded_bytes": report.offloaded_bytes,
        "activation_bytes": report.activation_bytes,
        "non_torch_bytes": report.non_torch_bytes,
        "cuda_graph_bytes": report.cuda_graph_bytes,
        "reserved_graph_bytes": report.reserved_graph_bytes,
        "context_bytes": report.context_bytes,
        "budget_bytes": report.budget_bytes,
        "kv_cache_bytes": report.kv_cache_bytes,
        "first_start_kv_cache_bytes": report.first_start_kv_cache_bytes,
        "unassigned_bytes": report.unassigned_bytes,
        "kv_cache_tokens": report.kv_cache_tokens,
        "kv_bytes_per_request": report.kv_bytes_per_request,
        "max_num_seqs": report.max_num_seqs,
        "max_model_len": report.max_model_len,
        "max_model_len_that_fits": report.max_model_len_that_fits,
        "max_concurrency": report.max_concurrency,
        "tensor_parallel_size": report.tensor_parallel_size,
        "pipeline_parallel_size": report.pipeline_parallel_size,
        "data_parallel_size": report.data_parallel_size,
        "band": None
        if report.band is None
        else {
            "kv_cache_low_bytes": report.band.low_bytes,
            "kv_cache_high_bytes": report.band.high_bytes,
        },
        "calibrated_from": report.calibrated_from,
        "aim": str(report.aim),
        "learnt": [serialise_learnt(each) for each in report.learnt],
        "suggestions": [serialise_suggestion(suggestion) for suggestion in report.suggestions],
    }


def serialise_learnt(learnt: LearntFrom) -> dict[str, Any]:
    return {"figure": learnt.figure, "engines": list(learnt.sources), "is_here": learnt.is_here}


def serialise_suggestion(suggestion: Suggestion) -> dict[str, Any]:
    return {
        "kind": suggestion.kind,
        "text": suggestion.text,
        "changes": dict(suggestion.changes),
        "verdict": str(suggestion.verdict),
        "max_model_len_that_fits": suggestion.max_model_len_that_fits,
        "max_model_len": suggestion.max_model_len,
        "max_concurrency": suggestion.max_concurrency,
        "gpu_count": suggestion.gpu_count,
        "gains": list(suggestion.gains),
        "costs": list(suggestion.costs),
    }
