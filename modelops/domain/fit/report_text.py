"""A fit report in words: the same lines for a terminal and for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelops.domain.fit.report import FitReport, Suggestion, Verdict
from modelops.domain.fit.specs import GIB, Gpu

VERDICT_WORDS = {
    Verdict.FITS: "fits",
    Verdict.TIGHT: "tight",
    Verdict.DOES_NOT_FIT: "does not fit",
    Verdict.UNKNOWN: "unknown",
}


@dataclass(frozen=True)
class Line:
    """One figure of a report: what it is, its value, and what to know about it."""

    label: str
    value: str
    note: str = ""


def list_memory_lines(report: FitReport) -> list[Line]:
    """The memory of one GPU, term by term; empty when nothing could be computed."""
    cache_note = ""
    if report.band is not None:
        low, high = max(report.band.low_bytes, 0), max(report.band.high_bytes, 0)
        cache_note = f"{format_bytes(low)} to {format_bytes(high)} in nine runs of ten"
    terms = [
        ("budget", report.budget_bytes, "what the engine may use of the card"),
        (
            "weights",
            report.weights_bytes,
            f"from the {report.weights_source}" if report.weights_source else "",
        ),
        ("activation", report.activation_bytes, "peak of one step"),
        ("outside PyTorch", report.non_torch_bytes, "NCCL and libraries"),
        ("CUDA graphs", report.cuda_graph_bytes, ""),
        ("KV cache", report.kv_cache_bytes, cache_note),
        ("CUDA context", report.context_bytes, "beside the budget"),
    ]
    return [Line(label, format_bytes(value), note) for label, value, note in terms if value is not None]


def list_capacity_lines(report: FitReport) -> list[Line]:
    """What the memory left over carries."""
    lines = []
    if report.max_model_len is not None:
        lines.append(
            Line("context", f"{report.max_model_len:,} tokens", "asked for, or the engine's default")
        )
    if report.max_model_len_that_fits is not None:
        lines.append(Line("largest context that fits", f"{report.max_model_len_that_fits:,} tokens"))
    if report.kv_cache_tokens is not None:
        lines.append(Line("KV cache holds", f"{report.kv_cache_tokens:,} tokens"))
    if report.max_concurrency is not None:
        lines.append(Line("requests of full context at once", f"{report.max_concurrency:g}"))
    lines.append(Line("tensor parallel", str(report.tensor_parallel_size)))
    if report.pipeline_parallel_size > 1:
        lines.append(Line("pipeline parallel", str(report.pipeline_parallel_size)))
    return lines


@dataclass(frozen=True)
class StartLine:
    """One figure of a start: what was expected, and what was measured. "–" for what is unknown."""

    label: str
    expected: str
    measured: str


_START_TERMS = (
    ("weights", "weights_bytes"),
    ("activation", "activation_bytes"),
    ("outside PyTorch", "non_torch_bytes"),
    ("CUDA graphs", "cuda_graph_bytes"),
    ("KV cache", "kv_cache_bytes"),
    ("KV cache holds", "kv_cache_tokens"),
)


def list_start_lines(estimate: Mapping[str, Any], actual: Mapping[str, Any]) -> list[StartLine]:
    """A start's estimate beside what it measured, both under the names of `FitReport`; what was not measured
    is left out."""
    return [
        StartLine(label, _format_size(name, estimate.get(name)), _format_size(name, actual[name]))
        for label, name in _START_TERMS
        if actual.get(name) is not None
    ]


def _format_size(name: str, value: int | None) -> str:
    if value is None:
        return "–"
    return format_bytes(value) if name.endswith("_bytes") else f"{value:,} tokens"


def describe_suggestion(suggestion: Suggestion) -> str:
    """What to change and what it leads to, as checked."""
    outcome = VERDICT_WORDS[suggestion.verdict]
    return f"{suggestion.text} → {outcome}, up to {suggestion.max_model_len_that_fits:,} tokens of context"


def render_report(report: FitReport, *, title: str, hardware: str) -> str:
    """The whole report for a terminal."""
    limit = "" if str(report.limit) == "none" else f" (limited by {report.limit})"
    lines = [f"{title}: {VERDICT_WORDS[report.verdict].upper()}{limit}", f"  on {hardware}"]
    lines += [f"  {reason}" for reason in report.reasons]
    lines += [f"  note: {note}" for note in report.notes]
    if memory := list_memory_lines(report):
        lines += ["", "Memory of each GPU", *_align(memory)]
    lines += ["", "Capacity", *_align(list_capacity_lines(report))]
    if report.suggestions:
        lines += ["", "What would help", *(f"  {describe_suggestion(each)}" for each in report.suggestions)]
    return "\n".join(lines)


def _align(lines: list[Line]) -> list[str]:
    width = max(len(line.label) for line in lines)
    return [f"  {line.label:<{width}}  {line.value:>16}  {line.note}".rstrip() for line in lines]


def format_bytes(count: int) -> str:
    return f"{count / GIB:.2f} GiB"


def describe_gpus(gpus: Sequence[Gpu]) -> str:
    """A few words such as "2 × NVIDIA GeForce RTX 3090 (23.6 GiB)"; "no GPU" for none."""
    counts: dict[str, int] = {}
    for gpu in gpus:
        free = "" if gpu.free_bytes is None else f", {min(gpu.free_bytes, gpu.total_bytes) / GIB:.1f} free"
        label = f"{gpu.name} ({gpu.total_bytes / GIB:.1f} GiB{free})"
        counts[label] = counts.get(label, 0) + 1
    return ", ".join(f"{count} × {label}" for label, count in counts.items()) or "no GPU"
