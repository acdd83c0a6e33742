"""What a report says that it assumed: all that was not given, and nothing that was."""

from typing import Any

import pytest

from modelops.domain.fit.question import answer_question, ask, parse_question
from modelops.domain.fit.report_text import render_report
from modelops.domain.fit.specs import GIB
from modelops.tests.domain.fit_examples import make_hybrid_config, make_question
from modelops.tests.domain.test_media import QWEN3

GIVEN: dict[str, Any] = {
    "vllm_version": "0.33.0",
    "max_model_len": 8192,
    "max_num_seqs": 64,
    "max_num_batched_tokens": 2048,
    "gpu_memory_utilization": 0.9,
    "enforce_eager": True,
    "gpus": [{"name": "RTX 3090", "total_mib": 24166}],
}


def list_assumed(**changes: Any) -> list[str]:
    question = {name: value for name, value in {**GIVEN, **changes}.items() if value is not None}
    assumed: list[str] = answer_question({**make_question(), "vllm_version": None, **question})["assumptions"]
    return assumed


@pytest.mark.parametrize(
    ("changes", "assumed"),
    [
        ({"vllm_version": None}, "vLLM 0.33.0, the newest that is known"),
        ({"vllm_version": "0.41.0"}, "vLLM 0.41.0 is like 0.33.0"),
        ({"max_model_len": None}, "the model's context of 8,192 tokens"),
        ({"max_num_seqs": None}, "256 sequences at a time"),
        ({"max_num_batched_tokens": None}, "2,048 tokens a step"),
        ({"gpu_memory_utilization": None}, "0.92 of the card's memory"),
        ({"vllm_version": "0.10.2"}, "a sampler that sorts all logits"),
        ({"vllm_version": "0.20.0"}, "a sampler that sorts nothing"),
        ({"enforce_eager": False}, "a start with compiled graphs at hand (a first one takes 0.80 GiB more)"),
        ({"gpus": [{"name": "RTX 3090"}]}, "23.6 GiB for CUDA, as usual for RTX 3090"),
        ({"config": QWEN3}, "images as large as the published processor allows"),
    ],
)
def test_each_thing_that_was_not_said_is_named(changes: dict[str, Any], assumed: str) -> None:
    assert assumed in list_assumed(**changes)
    assert assumed not in list_assumed()


def test_what_was_given_is_not_assumed() -> None:
    assert list_assumed() == ["a start that tries no sampling by top-k and top-p"]
    assert list_assumed(runner="pooling") == []


def test_the_terminal_says_it_in_one_line() -> None:
    report = ask(parse_question(make_question(max_num_seqs=8)))

    lines = render_report(report, title="m", hardware="h").splitlines()

    (assumed,) = [line for line in lines if line.startswith("  assumed: ")]
    assert assumed.startswith("  assumed: the model's context of 8,192 tokens; 2,048 tokens a step; 0.92 of")


@pytest.mark.parametrize(
    ("card", "more", "is_named"),
    [
        ("RTX 3090", {}, True),
        ("H100 80GB", {}, False),
        ("H100 80GB", {"disable_custom_all_reduce": True}, True),
        ("RTX 3090", {"enforce_eager": True}, False),
    ],
)
def test_graphs_of_a_hybrid_without_custom_all_reduce_are_in_doubt(
    card: str, more: dict[str, Any], is_named: bool
) -> None:
    question = make_question(
        config=make_hybrid_config(),
        gpus=[{"name": card, "total_mib": 81000}] * 4,
        tensor_parallel_size=4,
        max_model_len=8192,
        **more,
    )

    report = answer_question(question)

    said = [note for note in report["notes"] if "CUDA graphs of such a model took up to 3.65 GiB" in note]
    below = report["kv_cache_bytes"] - report["band"]["kv_cache_low_bytes"]
    assert len(said) == int(is_named)
    assert (below > 3 * GIB) == is_named
