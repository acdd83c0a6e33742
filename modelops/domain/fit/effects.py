"""What a change brings and what it costs, in words; figures are those of the two reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.wording import Translatable, fill_in, fill_text
from modelops.domain.fit.gpu_catalog import complete_gpu
from modelops.domain.fit.moves import LOAD_TIME, TEXT_ONLY, Move, Trial
from modelops.domain.fit.report import MORE_GPUS, FitReport
from modelops.domain.fit.specs import GIB
from modelops.domain.fit.trials import find_asked_length

_NOTABLE = 1.05
_HALF = (0.45, 0.55)
_COSTS: Mapping[str, Translatable] = {
    "kv_cache_dtype": "the KV cache has 8 bits: answers may be slightly worse at long contexts",
    "max_num_batched_tokens": "long prompts are read in smaller steps, so that their first token comes later",
    "enforce_eager": "slower: no CUDA graphs",
    TEXT_ONLY: "no images, videos or sounds",
    LOAD_TIME: (
        "the weights have 8 bits: answers may be slightly worse; they are still downloaded and read in full"
    ),
    "quantized_fp8": "another repository, if there is one; weights of 8 bits: answers may be slightly worse",
    "quantized_awq": "another repository, if there is one; weights of 4 bits: answers may be worse",
    "pipeline_parallel": "the cards work one after another: an answer is no faster than on one card",
    "dtype": "float16 has a smaller range of numbers than bfloat16",
}

_READS: Mapping[tuple[bool, bool], Translatable] = {
    (True, False): "faster: each token waits for {reads} of weights to be read instead of {read}",
    (True, True): "faster: each token waits for at most {reads} of weights to be read instead of {read}",
    (False, False): "slower: each token waits for {reads} of weights to be read instead of {read}",
    (False, True): "slower: each token waits for up to {reads} of weights to be read instead of {read}",
}
"""By whether it is less, and whether the model is a mixture of experts, of which a token needs only some."""


def list_gains(before: FitReport, start: Trial, after: FitReport, trial: Trial) -> tuple[str, ...]:
    return tuple(_list_gains(before, start, after, trial))


def list_costs(before: FitReport, start: Trial, after: FitReport, trial: Trial) -> tuple[str, ...]:
    return (*_list_losses(before, start, after), *_list_move_costs(start, after, trial))


def _list_gains(before: FitReport, start: Trial, after: FitReport, trial: Trial) -> Iterator[str]:
    if not before.is_runnable:
        return
    length, asked = after.max_model_len or 0, before.max_model_len or 0
    if length > asked:
        yield fill_in(
            "requests of up to {length} tokens instead of {asked}", length=f"{length:,}", asked=f"{asked:,}"
        )
    more, fewer = after.max_concurrency or 0.0, before.max_concurrency or 0.0
    if length >= asked and more > _NOTABLE * fewer:
        yield fill_in(
            "{more} requests of full length at once instead of {fewer}", more=f"{more:g}", fewer=f"{fewer:g}"
        )
    reads, read = count_token_reads(after), count_token_reads(before)
    if reads * _NOTABLE < read:
        yield _describe_reads(start, reads, read)
    if start.settings.enforce_eager and not trial.settings.enforce_eager:
        yield fill_in("faster: CUDA graphs")
    spare = count_cards(start) - count_cards(trial)
    if spare > 0:
        yield _say_cards(spare, fill_in("a card is left free"), "{count} cards are left free")


def _describe_reads(start: Trial, reads: int, read: int) -> str:
    text = _READS[reads < read, start.model.moe is not None]
    return fill_text(text, {"reads": _gib(reads), "read": _gib(read)})


def count_token_reads(report: FitReport) -> int:
    """Bytes of weights that are read one after another for each token: cards of one stage read at once."""
    return (report.weights_bytes or 0) * report.pipeline_parallel_size


def count_cards(trial: Trial) -> int:
    return trial.settings.gpu_count


def _list_losses(before: FitReport, start: Trial, after: FitReport) -> Iterator[str]:
    """What the figures of the reports say."""
    length, asked = after.max_model_len or 0, find_asked_length(start, before)
    if length < asked:
        yield fill_in(
            "requests of more than {length} tokens are refused (asked for: {asked})",
            length=f"{length:,}",
            asked=f"{asked:,}",
        )
    if not before.is_runnable:
        return
    fewer, more = after.max_concurrency or 0.0, before.max_concurrency or 0.0
    if length >= asked and fewer * _NOTABLE < more:
        values = {"fewer": f"{fewer:g}", "more": f"{more:g}"}
        if _HALF[0] <= fewer / more <= _HALF[1]:
            yield fill_in("halves the number of full requests at once, from {more} to {fewer}", **values)
        else:
            yield fill_in("{fewer} full requests at once instead of {more}", **values)
    reads, read = count_token_reads(after), count_token_reads(before)
    if reads > _NOTABLE * read:
        yield _describe_reads(start, reads, read)


def _list_move_costs(start: Trial, after: FitReport, trial: Trial) -> Iterator[str]:
    for move in trial.moves:
        if text := _COSTS.get(move.kind):
            yield fill_text(text, {})
        yield from _list_counted_costs(move, start, after, trial)


def _list_counted_costs(move: Move, start: Trial, after: FitReport, trial: Trial) -> Iterator[str]:
    values = dict(move.changes)
    if move.kind == "max_num_seqs":
        yield fill_in(
            "at most {count} requests are answered at once, others wait", count=values["max_num_seqs"]
        )
    elif move.kind == "utilization":
        gpu = complete_gpu(trial.gpus[0])
        left = gpu.total_bytes - (after.budget_bytes or 0) - (after.context_bytes or 0)
        yield fill_in("only {size} of each card is left for anything else", size=_gib(max(0, left)))
    elif move.kind == MORE_GPUS:
        count = len(trial.gpus) - len(start.gpus)
        yield _say_cards(count, fill_in("a card more"), "{count} cards more")
    elif move.kind in ("tensor_parallel_up", "pipeline_parallel"):
        count = count_cards(trial) - count_cards(start)
        if count > 0:
            many: Translatable = "takes {count} cards more, which another model cannot use then"
            yield _say_cards(count, fill_in("takes a card more, which another model cannot use then"), many)


def _say_cards(count: int, one: str, many: Translatable) -> str:
    return one if count == 1 else fill_text(many, {"count": count})


def _gib(count: int) -> str:
    return f"{count / GIB:.1f} GiB"
