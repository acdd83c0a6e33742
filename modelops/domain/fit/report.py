"""What the fit check answers: a verdict, the term that decides it, sizes per GPU, and suggestions."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from modelops.domain.fit.specs import EngineSettings, Quantization

MORE_GPUS = "more_gpus"
"""The kind of a suggestion that needs more cards."""


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
    """A change that was checked: `verdict` and `max_model_len_that_fits` are what it leads to."""

    kind: str
    text: str
    changes: tuple[tuple[str, int | float | str | bool], ...]
    settings: EngineSettings
    verdict: Verdict
    max_model_len_that_fits: int
    gpu_count: int
    quantization: Quantization | None = None
    """Set when the change is another, quantized variant of the model."""

    @property
    def is_of_settings(self) -> bool:
        """Whether the profile's own settings do it: no other checkpoint and no more cards are needed."""
        return self.quantization is None and self.kind != MORE_GPUS


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
    context_bytes: int | None = None
    budget_bytes: int | None = None
    kv_cache_bytes: int | None = None
    first_start_kv_cache_bytes: int | None = None
    """At the first start after any change, while torch.compile works; None where it takes no more."""
    kv_cache_tokens: int | None = None
    kv_bytes_per_request: int | None = None
    max_model_len: int | None = None
    max_model_len_that_fits: int | None = None
    max_concurrency: float | None = None
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1
    weights_source: str | None = None
    band: Band | None = None
    calibrated_from: str | None = None
    """The start whose measured sizes took the place of the formulas."""
    suggestions: tuple[Suggestion, ...] = field(default=())

    @property
    def is_runnable(self) -> bool:
        return self.verdict in (Verdict.FITS, Verdict.TIGHT)


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
        "activation_bytes": report.activation_bytes,
        "non_torch_bytes": report.non_torch_bytes,
        "cuda_graph_bytes": report.cuda_graph_bytes,
        "context_bytes": report.context_bytes,
        "budget_bytes": report.budget_bytes,
        "kv_cache_bytes": report.kv_cache_bytes,
        "first_start_kv_cache_bytes": report.first_start_kv_cache_bytes,
        "kv_cache_tokens": report.kv_cache_tokens,
        "kv_bytes_per_request": report.kv_bytes_per_request,
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
        "suggestions": [serialise_suggestion(suggestion) for suggestion in report.suggestions],
    }


def serialise_suggestion(suggestion: Suggestion) -> dict[str, Any]:
    return {
        "kind": suggestion.kind,
        "text": suggestion.text,
        "changes": dict(suggestion.changes),
        "verdict": str(suggestion.verdict),
        "max_model_len_that_fits": suggestion.max_model_len_that_fits,
        "gpu_count": suggestion.gpu_count,
    }
