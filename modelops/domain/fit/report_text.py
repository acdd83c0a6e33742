"""A fit report in words: the same lines for a terminal and for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.columns import measure_columns, pad
from gateway.wording import Translatable, Translate, fill_in, fill_text, join_texts, say
from modelops.domain.fit.report import Aim, FitReport, LearntFrom, LimitingTerm, Suggestion, Verdict
from modelops.domain.fit.specs import GIB, Gpu

VERDICT_WORDS = {
    Verdict.FITS: fill_in("fits"),
    Verdict.TIGHT: fill_in("tight"),
    Verdict.DOES_NOT_FIT: fill_in("does not fit"),
    Verdict.UNKNOWN: fill_in("unknown"),
}
LIMIT_WORDS: Mapping[LimitingTerm, Translatable] = {
    LimitingTerm.NONE: "nothing",
    LimitingTerm.WEIGHTS: "the weights",
    LimitingTerm.ACTIVATION: "the activation",
    LimitingTerm.KV_CACHE: "the KV cache",
    LimitingTerm.CUDA_GRAPHS: "the CUDA graphs",
    LimitingTerm.FREE_MEMORY: "free memory",
    LimitingTerm.GPU_COUNT: "the number of GPUs",
    LimitingTerm.PARALLEL_SIZE: "the tensor parallel size",
    LimitingTerm.COMPUTE_CAPABILITY: "the compute capability",
    LimitingTerm.QUANTIZATION: "the way of quantizing",
    LimitingTerm.CONTEXT: "the context length",
    LimitingTerm.LAYOUT: "a layout that is not understood",
    LimitingTerm.INPUT: "what is not known",
}
"""The terms that decide, as people read them."""
AIM_WORDS: Mapping[Aim, Translatable] = {
    Aim.AS_ASKED: "keep what was asked",
    Aim.CONTEXT: "longest context",
    Aim.USERS: "most requests at once",
    Aim.LATENCY: "least latency",
}
"""What suggestions are to reach, as a choice."""
_AIM_HEADS: Mapping[Aim, Translatable] = {
    Aim.AS_ASKED: "What would help",
    Aim.CONTEXT: "For the longest context",
    Aim.USERS: "For the most requests at once",
    Aim.LATENCY: "For the least latency",
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
        cache_note = fill_in(
            "{low} to {high} in nine runs of ten", low=format_bytes(low), high=format_bytes(high)
        )
    terms = [
        (fill_in("budget"), report.budget_bytes, fill_in("what the engine may use of the card")),
        (
            fill_in("weights"),
            report.weights_bytes,
            fill_in("from the {source}", source=report.weights_source) if report.weights_source else "",
        ),
        (fill_in("of them the draft"), report.draft_bytes, fill_in("speculative decoding")),
        (fill_in("of them room for adapters"), report.adapter_bytes, fill_in("LoRA")),
        (fill_in("weights in host memory"), report.offloaded_bytes, fill_in("beside the budget")),
        (fill_in("activation"), report.activation_bytes, fill_in("peak of one step")),
        (
            fill_in("outside PyTorch"),
            report.non_torch_bytes,
            _note_source(report, "non_torch_bytes", fill_in("NCCL and libraries")),
        ),
        (
            fill_in("CUDA graphs"),
            report.cuda_graph_bytes,
            _note_source(report, "cuda_graph_bytes", _note_graphs(report)),
        ),
        (fill_in("KV cache"), report.kv_cache_bytes, cache_note),
        (
            fill_in("KV cache at a first start"),
            report.first_start_kv_cache_bytes,
            _note_source(report, "first_start_kv_cache_bytes", fill_in("while torch.compile works")),
        ),
        (
            fill_in("CUDA context"),
            report.context_bytes,
            _note_source(report, "context_bytes", fill_in("beside the budget")),
        ),
    ]
    return [Line(label, format_bytes(value), note) for label, value, note in terms if value is not None]


def _note_graphs(report: FitReport) -> str:
    """Nothing in eager mode, and where it is not known."""
    if not report.cuda_graph_bytes or report.reserved_graph_bytes is None:
        return ""
    return fill_in("part of the budget") if report.reserved_graph_bytes else fill_in("beside the budget")


def _note_source(report: FitReport, figure: str, note: str = "") -> str:
    """The note of a figure, with the earlier starts that it goes by."""
    notes = [note] if note else []
    notes += [describe_source(each) for each in report.learnt if each.figure == figure]
    return join_texts("; ", notes)


def describe_source(learnt: LearntFrom) -> str:
    """Which starts a figure was learnt from, where they are several by the newest."""
    newest, count = learnt.sources[0], len(learnt.sources)
    if count == 1:
        if learnt.is_here:
            return fill_in("measured on this box: {start}", start=newest)
        return fill_in("measured on such a card: {start}", start=newest)
    if learnt.is_here:
        return fill_in(
            "measured on this box: {count} starts, the last was {start}", count=count, start=newest
        )
    return fill_in("measured on such cards: {count} starts, the last was {start}", count=count, start=newest)


def list_capacity_lines(report: FitReport) -> list[Line]:
    """What the memory left over carries."""
    lines = []
    if report.max_model_len is not None:
        lines.append(
            Line(
                fill_in("context"),
                count_tokens(report.max_model_len),
                fill_in("asked for, or the engine's default"),
            )
        )
    if report.max_model_len_that_fits is not None:
        lines.append(Line(fill_in("largest context that fits"), count_tokens(report.max_model_len_that_fits)))
    if report.kv_cache_tokens is not None:
        lines.append(Line(fill_in("KV cache holds"), count_tokens(report.kv_cache_tokens)))
    if report.max_concurrency is not None:
        lines.append(Line(fill_in("requests of full context at once"), f"{report.max_concurrency:g}"))
    lines.append(Line(fill_in("tensor parallel"), str(report.tensor_parallel_size)))
    if report.pipeline_parallel_size > 1:
        lines.append(Line(fill_in("pipeline parallel"), str(report.pipeline_parallel_size)))
    if report.data_parallel_size > 1:
        lines.append(
            Line(
                fill_in("data parallel"),
                str(report.data_parallel_size),
                fill_in("the figures are of each rank"),
            )
        )
    return lines


@dataclass(frozen=True)
class StartLine:
    """One figure of a start: what was expected, and what was measured. "–" for what is unknown."""

    label: str
    expected: str
    measured: str


_START_TERMS = (
    (fill_in("weights"), "weights_bytes"),
    (fill_in("activation"), "activation_bytes"),
    (fill_in("outside PyTorch"), "non_torch_bytes"),
    (fill_in("CUDA graphs"), "cuda_graph_bytes"),
    (fill_in("KV cache"), "kv_cache_bytes"),
    (fill_in("KV cache holds"), "kv_cache_tokens"),
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
    return format_bytes(value) if name.endswith("_bytes") else count_tokens(value)


def describe_aim(report: FitReport) -> str:
    """The heading of the report's suggestions."""
    return fill_text(_AIM_HEADS[report.aim], {})


def describe_lack_of_suggestions(report: FitReport) -> str:
    """Why there are none, where somebody might have expected some; else empty."""
    if report.suggestions or report.verdict is Verdict.UNKNOWN:
        return ""
    if not report.is_runnable:
        if report.limit is LimitingTerm.GPU_COUNT:
            return ""
        return fill_in("None of the changes that were tried makes it fit.")
    if report.aim is Aim.AS_ASKED:
        return ""
    return fill_in("No change is notably better than what there is.")


def describe_suggestion(suggestion: Suggestion) -> str:
    """What to change and what it leads to, as checked."""
    return fill_in("{change} → {outcome}", change=suggestion.text, outcome=describe_outcome(suggestion))


def describe_outcome(suggestion: Suggestion) -> str:
    """What a suggestion leads to: the verdict, and what it then serves."""
    return fill_in(
        "{outcome}: {tokens} tokens of context, {count} requests of that length at once",
        outcome=VERDICT_WORDS[suggestion.verdict],
        tokens=f"{suggestion.max_model_len or 0:,}",
        count=f"{suggestion.max_concurrency or 0:g}",
    )


def join_assumptions(report: FitReport) -> str:
    """All that was assumed, for one line; empty where that is nothing."""
    return join_texts("; ", report.assumptions)


def list_effects(suggestion: Suggestion) -> list[str]:
    """What it brings, then what it costs, each marked as such."""
    return [
        *(fill_in("+ {gain}", gain=each) for each in suggestion.gains),
        *(fill_in("− {cost}", cost=each) for each in suggestion.costs),
    ]


def render_report(report: FitReport, *, title: str, hardware: str, translate: Translate = str) -> str:
    """The whole report for a terminal, in the language of `translate`."""
    lines = [
        _head(report, title, translate),
        "  " + say(fill_in("on {hardware}", hardware=hardware), translate),
    ]
    lines += [f"  {say(reason, translate)}" for reason in report.reasons]
    lines += ["  " + say(fill_in("note: {note}", note=note), translate) for note in report.notes]
    if report.assumptions:
        text = fill_in("assumed: {assumptions}", assumptions=join_assumptions(report))
        lines.append("  " + say(text, translate))
    if memory := list_memory_lines(report):
        lines += ["", say(fill_in("Memory of each GPU"), translate), *_align(memory, translate)]
    lines += ["", say(fill_in("Capacity"), translate), *_align(list_capacity_lines(report), translate)]
    if report.suggestions:
        lines += ["", say(describe_aim(report), translate)]
        for each in report.suggestions:
            lines.append(f"  {say(describe_suggestion(each), translate)}")
            lines += [f"      {say(effect, translate)}" for effect in list_effects(each)]
    elif lack := describe_lack_of_suggestions(report):
        lines += ["", say(lack, translate)]
    return "\n".join(lines)


def _head(report: FitReport, title: str, translate: Translate) -> str:
    verdict = say(VERDICT_WORDS[report.verdict], translate).upper()
    head = fill_in("{model}: {verdict}", model=title, verdict=verdict)
    if report.limit is not LimitingTerm.NONE:
        head = fill_in(
            "{model}: {verdict} (limited by {limit})",
            model=title,
            verdict=verdict,
            limit=fill_text(LIMIT_WORDS[report.limit], {}),
        )
    return say(head, translate)


def _align(lines: Sequence[Line], translate: Translate) -> list[str]:
    said = [
        (say(line.label, translate), say(line.value, translate), say(line.note, translate)) for line in lines
    ]
    width = max(measure_columns(label) for label, _value, _note in said)
    return [f"  {pad(label, width)}  {pad(value, -16)}  {note}".rstrip() for label, value, note in said]


def count_tokens(count: int) -> str:
    return fill_in("{count} tokens", count=f"{count:,}")


def format_bytes(count: int) -> str:
    return f"{count / GIB:.2f} GiB"


def describe_gpus(gpus: Sequence[Gpu]) -> str:
    """A few words such as "2 × NVIDIA GeForce RTX 3090 (23.6 GiB)"; "no GPU" for none."""
    counts: dict[str, int] = {}
    for gpu in gpus:
        label = _describe_gpu(gpu)
        counts[label] = counts.get(label, 0) + 1
    if not counts:
        return fill_in("no GPU")
    return join_texts(
        ", ", [fill_text("{count} × {card}", {"count": n, "card": each}) for each, n in counts.items()]
    )


def _describe_gpu(gpu: Gpu) -> str:
    total = f"{gpu.total_bytes / GIB:.1f} GiB"
    if gpu.free_bytes is None:
        return f"{gpu.name} ({total})"
    free = f"{min(gpu.free_bytes, gpu.total_bytes) / GIB:.1f}"
    return fill_in("{card} ({total}, {free} free)", card=gpu.name, total=total, free=free)
