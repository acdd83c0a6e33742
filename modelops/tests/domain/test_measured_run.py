"""The fit check after a start that measured what the formulas only estimate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.tests.budgets import examples
from modelops.domain.engine_log.sizes import EngineSizes, serialise_sizes
from modelops.domain.fit.assessment import assess_fit
from modelops.domain.fit.budget import Budget, compute_budget, find_longest_context
from modelops.domain.fit.check import check_fit
from modelops.domain.fit.correction import Correction
from modelops.domain.fit.engine_defaults import find_traits, resolve_dtype
from modelops.domain.fit.measured_run import (
    MeasuredRun,
    is_same_card,
    name_as_estimate,
    serialise_estimate,
)
from modelops.domain.fit.report import LimitingTerm, Verdict
from modelops.domain.fit.specs import GIB, MIB, CheckpointFacts, EngineSettings, Gpu, ModelArchitecture
from modelops.domain.fit.weights import estimate_weights
from modelops.tests.domain.fit_examples import make_gpu, make_model
from modelops.tests.domain.test_fit_properties import cards, engine_settings, models

A_HUNDREDTH_GIB = GIB // 100
PLAIN = EngineSettings(vllm_version="0.33.0", max_model_len=4096, gpu_memory_utilization=0.9)


@st.composite
def truths(draw: st.DrawFn) -> Correction:
    """How far an engine is off what the formulas say."""
    return Correction(
        weights_bytes=draw(st.integers(-200, 500)) * MIB,
        activation_bytes=draw(st.integers(0, 800)) * MIB,
        non_torch_bytes=draw(st.integers(0, 600)) * MIB,
        cuda_graph_bytes=draw(st.integers(0, 900)) * MIB,
    )


def start_engine(model: ModelArchitecture, asked: EngineSettings, gpu: Gpu, truth: Correction) -> Budget:
    """The budget of an engine that needs what the formulas say and `truth` on top."""
    weights = estimate_weights(
        model,
        CheckpointFacts(),
        dtype=resolve_dtype(asked.dtype, model, gpu),
        tensor_parallel_size=asked.tensor_parallel_size,
        pipeline_parallel_size=1,
        gpu=gpu,
    )
    return compute_budget(model, asked, weights, gpu, find_traits(asked, gpu), truth)


def print_sizes(engine: Budget, asked: EngineSettings, gpu: Gpu) -> EngineSizes:
    """What its log would tell: hundredths of a GiB, and whole tokens."""
    layout, length, traits = engine.tightest.layout, engine.settings.max_model_len, find_traits(asked, gpu)
    concurrency = engine.tightest.get_blocks() / max(1, layout.count_request_blocks(length))
    in_blocks = engine.tightest.get_blocks() // max(1, layout.group_count) * layout.min_block_tokens
    return EngineSizes(
        tensor_parallel_size=asked.tensor_parallel_size,
        max_model_len=length,
        weights_bytes=round_to_gib(engine.tightest.weights_bytes),
        graph_estimate_bytes=round_to_gib(engine.cuda_graph_bytes) if engine.settings.counts_graphs else None,
        available_kv_bytes=round_to_gib(engine.tightest.kv_cache_bytes),
        kv_cache_tokens=int(concurrency * length) if traits.era.reports_request_tokens else in_blocks,
    )


def round_to_gib(size: int) -> int:
    return round(round(size / GIB, 2) * GIB)


def measure(model: ModelArchitecture, asked: EngineSettings, gpu: Gpu, truth: Correction) -> MeasuredRun:
    engine = start_engine(model, asked, gpu, truth)
    return MeasuredRun("a-1 on 2026-11-22", gpu.name, asked, print_sizes(engine, asked, gpu))


@given(models(), engine_settings(), cards(), truths(), st.sampled_from([1024, 4096]))
@settings(max_examples=examples(80), deadline=None)
def test_check_of_what_ran_gives_the_cache_that_it_printed(
    model: ModelArchitecture, asked: EngineSettings, gpu: Gpu, truth: Correction, length: int
) -> None:
    asked = replace(asked, max_model_len=length)
    engine = start_engine(model, asked, gpu, truth)
    assume(engine.holds_request(length))
    run = measure(model, asked, gpu, truth)

    report = assess_fit(model, asked, (gpu,), measured=run)

    assert report.kv_cache_tokens == run.sizes.kv_cache_tokens
    assert report.kv_cache_bytes is not None and report.weights_bytes is not None
    assert abs(report.kv_cache_bytes - engine.tightest.kv_cache_bytes) <= A_HUNDREDTH_GIB
    assert abs(report.weights_bytes - engine.tightest.weights_bytes) <= A_HUNDREDTH_GIB
    assert report.is_runnable
    assert report.calibrated_from == "a-1 on 2026-11-22"


@given(models(), engine_settings(), cards(), truths(), st.floats(0.5, 0.97), st.sampled_from([512, 4096]))
@settings(max_examples=examples(60), deadline=None)
def test_another_share_of_the_card_and_another_context_are_computed_from_what_ran(
    model: ModelArchitecture, asked: EngineSettings, gpu: Gpu, truth: Correction, share: float, length: int
) -> None:
    asked = replace(asked, max_model_len=1024)
    assume(start_engine(model, asked, gpu, truth).holds_request(1024))
    run = measure(model, asked, gpu, truth)
    changed = replace(asked, gpu_memory_utilization=share, max_model_len=length)

    report = assess_fit(model, changed, (gpu,), measured=run)

    true = start_engine(model, changed, gpu, truth)
    assert report.kv_cache_bytes is not None
    assert abs(report.kv_cache_bytes - true.tightest.kv_cache_bytes) <= A_HUNDREDTH_GIB


def test_longest_context_after_a_start_is_the_true_one() -> None:
    model, gpu, truth = make_model(), make_gpu(), Correction(activation_bytes=900 * MIB)
    run = measure(model, PLAIN, gpu, truth)
    weights = run.find_weights()
    assert weights is not None

    report = assess_fit(model, PLAIN, (gpu,), measured=run)

    no_weights = replace(truth, weights_bytes=0)
    assert report.max_model_len_that_fits == find_longest_context(
        model, PLAIN, weights, gpu, find_traits(PLAIN, gpu), no_weights
    )


def test_measured_start_leaves_less_uncertain() -> None:
    model, gpu = make_model(), make_gpu()

    before = assess_fit(model, PLAIN, (gpu,))
    after = assess_fit(model, PLAIN, (gpu,), measured=measure(model, PLAIN, gpu, Correction()))

    assert before.band is not None and after.band is not None
    assert after.band.high_bytes - after.band.low_bytes < (before.band.high_bytes - before.band.low_bytes) / 3
    assert before.calibrated_from is None
    assert any("a-1 on 2026-11-22" in note for note in after.notes)


def test_profile_that_was_tight_is_known_to_fit_once_it_ran() -> None:
    model, gpu = make_model(max_position_embeddings=131072), make_gpu()
    longest = assess_fit(model, PLAIN, (gpu,)).max_model_len_that_fits
    assert longest is not None
    asked = replace(PLAIN, max_model_len=longest - 512)
    run = measure(model, asked, gpu, Correction(cuda_graph_bytes=-300 * MIB))

    assert assess_fit(model, asked, (gpu,)).verdict is Verdict.TIGHT
    assert assess_fit(model, asked, (gpu,), measured=run).verdict is Verdict.FITS


def test_profile_that_needs_more_than_computed_no_longer_gets_the_context_it_cannot_have() -> None:
    model, gpu = make_model(max_position_embeddings=131072), make_gpu()
    run = measure(model, PLAIN, gpu, Correction(activation_bytes=3 * GIB))
    longest = assess_fit(model, PLAIN, (gpu,)).max_model_len_that_fits
    assert longest is not None

    report = assess_fit(model, replace(PLAIN, max_model_len=longest), (gpu,), measured=run)

    assert report.limit is LimitingTerm.KV_CACHE
    assert report.verdict is Verdict.DOES_NOT_FIT


def test_layout_that_is_not_the_engines_is_corrected_by_its_tokens() -> None:
    model, gpu = make_model(), make_gpu()
    sizes = measure(model, PLAIN, gpu, Correction()).sizes
    assert sizes.kv_cache_tokens is not None
    halved = replace(sizes, kv_cache_tokens=sizes.kv_cache_tokens // 2)
    run = MeasuredRun("a-1", gpu.name, PLAIN, halved)

    report = assess_fit(model, PLAIN, (gpu,), measured=run)

    assert report.kv_cache_tokens == pytest.approx(sizes.kv_cache_tokens / 2, abs=32)
    assert report.kv_cache_bytes == sizes.available_kv_bytes


def test_start_tells_the_weights_of_a_layout_that_is_not_understood() -> None:
    unknown = replace(make_model(), is_layout_known=False)
    gpu = make_gpu()
    sizes = EngineSizes(weights_bytes=15 * GIB, available_kv_bytes=4 * GIB)

    before = assess_fit(unknown, PLAIN, (gpu,))
    after = assess_fit(unknown, PLAIN, (gpu,), measured=MeasuredRun("a-1", gpu.name, PLAIN, sizes))

    assert before.verdict is Verdict.UNKNOWN
    assert (after.weights_bytes, after.kv_cache_bytes) == (15 * GIB, 4 * GIB)
    assert after.weights_source == "engine's log"


def test_what_ran_is_not_refused_for_the_card_or_its_share() -> None:
    gpu = replace(make_gpu("Tesla T4", 14.58), compute_capability=(7, 5))
    model = make_model(num_hidden_layers=8)
    asked = replace(PLAIN, dtype="bfloat16", gpu_memory_utilization=0.99)
    run = MeasuredRun("a-1", gpu.name, asked, EngineSizes(weights_bytes=4 * GIB, available_kv_bytes=8 * GIB))

    refused = assess_fit(model, asked, (gpu,))

    assert refused.verdict is Verdict.DOES_NOT_FIT
    assert assess_fit(model, asked, (gpu,), measured=run).verdict is Verdict.FITS


@pytest.mark.parametrize(
    "change",
    [
        {"tensor_parallel_size": 2},
        {"dtype": "float16"},
        {"quantization": "fp8"},
        {"max_num_seqs": 16},
        {"max_num_batched_tokens": 8192},
        {"kv_cache_dtype": "fp8"},
        {"enforce_eager": True},
        {"vllm_version": "0.20.0"},
    ],
)
def test_other_settings_are_computed_as_before(change: dict[str, Any]) -> None:
    model, gpus = make_model(), (make_gpu(),) * 2
    run = measure(model, PLAIN, gpus[0], Correction(activation_bytes=2 * GIB))
    changed = replace(PLAIN, **change)

    assert assess_fit(model, changed, gpus, measured=run) == assess_fit(model, changed, gpus)


def test_start_on_another_card_says_nothing() -> None:
    model, gpu = make_model(), make_gpu("RTX A6000", 47.4)
    run = measure(model, PLAIN, make_gpu(), Correction(activation_bytes=2 * GIB))

    assert assess_fit(model, PLAIN, (gpu,), measured=run) == assess_fit(model, PLAIN, (gpu,))


def test_cards_are_the_same_however_they_are_called() -> None:
    assert is_same_card("NVIDIA GeForce RTX 3090", "RTX 3090")
    assert is_same_card("Some New Card", "some new card")
    assert not is_same_card("NVIDIA GeForce RTX 3090", "NVIDIA RTX A6000")
    assert not is_same_card("Some New Card", "")


def test_version_comes_from_the_log_where_the_image_has_none() -> None:
    model, gpu = make_model(), make_gpu()
    latest = replace(PLAIN, vllm_version="latest", gpu_memory_utilization=None)
    sizes = EngineSizes(vllm_version="0.33.0", weights_bytes=15 * GIB)

    report = assess_fit(model, latest, (gpu,), measured=MeasuredRun("a-1", gpu.name, latest, sizes))

    assert report.budget_bytes == pytest.approx(0.92 * gpu.total_bytes, abs=1)


def test_suggestions_go_by_what_was_measured_too() -> None:
    model, gpu = make_model(), make_gpu()
    asked = replace(PLAIN, max_model_len=8192)
    run = MeasuredRun(
        "a-1",
        gpu.name,
        replace(asked, max_model_len=2048),
        EngineSizes(weights_bytes=15 * GIB, available_kv_bytes=GIB // 2),
    )

    report = check_fit(model, asked, (gpu,), measured=run)

    assert report.verdict is Verdict.DOES_NOT_FIT
    assert report.max_model_len_that_fits == pytest.approx(4096, abs=32)
    offered = [dict(each.changes)["max_model_len"] for each in report.suggestions if each.kind == "context"]
    assert offered and all(int(length) <= 4096 for length in offered)


def test_estimate_and_measurement_can_be_compared_name_by_name() -> None:
    model, gpu = make_model(), make_gpu()
    report = assess_fit(model, PLAIN, (gpu,))
    run = measure(model, PLAIN, gpu, Correction())

    estimate = serialise_estimate(report)

    actual = name_as_estimate(serialise_sizes(run.sizes))
    assert estimate["kv_cache_tokens"] == actual["kv_cache_tokens"]
    for name in ("weights_bytes", "kv_cache_bytes"):
        assert estimate[name] == pytest.approx(actual[name], abs=A_HUNDREDTH_GIB)
    assert actual["activation_bytes"] is None
    assert "calibrated_from" not in estimate
