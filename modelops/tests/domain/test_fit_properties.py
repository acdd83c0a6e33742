"""What must hold for every model, card and setting."""

from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.tests.budgets import examples
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.assessment import assess_fit
from modelops.domain.fit.check import check_fit
from modelops.domain.fit.divisibility import find_parallel_problems
from modelops.domain.fit.quantization import parse_quantization
from modelops.domain.fit.report import Aim, FitReport, Verdict
from modelops.domain.fit.specs import GIB, CheckpointFacts, EngineSettings, Gpu, ModelArchitecture
from modelops.tests.domain.fit_examples import (
    make_config,
    make_hybrid_config,
    make_latent_config,
    make_moe_config,
    make_sliding_config,
)

MAKERS = (make_config, make_moe_config, make_latent_config, make_hybrid_config, make_sliding_config)
CARDS = (
    ("RTX 3090", 23.6),
    ("RTX 4090", 23.65),
    ("A100-SXM4-40GB", 39.5),
    ("RTX A6000", 47.4),
    ("NVIDIA H100 80GB HBM3", 79.18),
)


@st.composite
def models(draw: st.DrawFn) -> ModelArchitecture:
    maker = draw(st.sampled_from(MAKERS))
    changes: dict[str, Any] = {"max_position_embeddings": draw(st.sampled_from([4096, 32768, 131072]))}
    config = {**maker(), **changes}
    if maker is make_config:
        config["num_key_value_heads"] = draw(st.sampled_from([1, 2, 4, 8, 32]))
        config["num_hidden_layers"] = draw(st.integers(8, 48))
        config["vocab_size"] = draw(st.integers(32000, 160000))
    return parse_architecture(config, draw(st.sampled_from([None, "awq", "fp8"])))


@st.composite
def engine_settings(draw: st.DrawFn) -> EngineSettings:
    return EngineSettings(
        gpu_memory_utilization=draw(st.floats(0.5, 0.97)),
        max_num_seqs=draw(st.sampled_from([None, 1, 16, 256])),
        max_num_batched_tokens=draw(st.sampled_from([2048, 8192])),
        kv_cache_dtype=draw(st.sampled_from(["auto", "fp8"])),
        enforce_eager=draw(st.booleans()),
        vllm_version=draw(st.sampled_from([None, "0.6.3", "0.9.0", "0.12.0", "0.33.0"])),
        engine=draw(st.sampled_from([None, "v1"])),
    )


@st.composite
def cards(draw: st.DrawFn) -> Gpu:
    name, total = draw(st.sampled_from(CARDS))
    return Gpu(name, int(total * GIB))


def assess(model: ModelArchitecture, setting: EngineSettings, gpu: Gpu, count: int = 1) -> FitReport:
    return assess_fit(model, setting, (gpu,) * count)


@given(models(), engine_settings(), cards(), st.integers(1, 131072), st.integers(1, 131072))
@settings(max_examples=examples(120), deadline=None)
def test_more_context_never_needs_less_memory(
    model: ModelArchitecture, setting: EngineSettings, gpu: Gpu, first: int, second: int
) -> None:
    shorter, longer = sorted((first, second))

    less = assess(model, replace(setting, max_model_len=shorter), gpu)
    more = assess(model, replace(setting, max_model_len=longer), gpu)

    assert less.kv_bytes_per_request is not None and more.kv_bytes_per_request is not None
    assert less.weights_bytes == more.weights_bytes
    assert less.kv_bytes_per_request <= more.kv_bytes_per_request
    assert less.activation_bytes is not None and more.activation_bytes is not None
    assert less.activation_bytes <= more.activation_bytes


@given(models(), engine_settings(), cards(), st.sampled_from([1, 2, 4]))
@settings(max_examples=examples(120), deadline=None)
def test_doubling_tensor_parallel_never_lowers_capacity_where_it_divides(
    model: ModelArchitecture, setting: EngineSettings, gpu: Gpu, ranks: int
) -> None:
    assume(not find_parallel_problems(model, 2 * ranks))
    assume(model.uses_mla or model.kv_heads % (2 * ranks) == 0)
    setting = replace(setting, max_model_len=4096)

    single = assess(model, replace(setting, tensor_parallel_size=ranks), gpu, ranks)
    double = assess(model, replace(setting, tensor_parallel_size=2 * ranks), gpu, 2 * ranks)

    assert single.kv_cache_tokens is not None and double.kv_cache_tokens is not None
    assert double.kv_cache_tokens >= single.kv_cache_tokens


@given(models(), engine_settings(), cards(), st.sampled_from([1, 2]))
@settings(max_examples=examples(120), deadline=None)
def test_largest_context_is_the_last_that_the_estimate_holds(
    model: ModelArchitecture, setting: EngineSettings, gpu: Gpu, ranks: int
) -> None:
    setting = replace(setting, tensor_parallel_size=ranks)
    assume(not find_parallel_problems(model, ranks))
    longest = assess(model, setting, gpu, ranks).max_model_len_that_fits
    assume(longest)
    assert longest is not None and model.max_positions is not None

    at_limit = assess(model, replace(setting, max_model_len=longest), gpu, ranks)
    beyond = assess(model, replace(setting, max_model_len=longest + 16), gpu, ranks)

    assert at_limit.kv_bytes_per_request is not None and at_limit.kv_cache_bytes is not None
    assert at_limit.kv_bytes_per_request <= at_limit.kv_cache_bytes
    if longest < model.max_positions:
        assert beyond.verdict is not Verdict.FITS
        assert beyond.kv_bytes_per_request is not None and beyond.kv_cache_bytes is not None
        assert beyond.kv_bytes_per_request > beyond.kv_cache_bytes


@given(
    models(),
    engine_settings(),
    cards(),
    st.integers(1, 4),
    st.sampled_from([None, 8192, 65536]),
    st.sampled_from(list(Aim)),
)
@settings(max_examples=examples(60), deadline=None)
def test_every_suggestion_passes_the_check_that_offered_it(
    model: ModelArchitecture, setting: EngineSettings, gpu: Gpu, count: int, length: int | None, aim: Aim
) -> None:
    report = check_fit(model, replace(setting, max_model_len=length), (gpu,) * count, aim=aim)

    assert len(report.suggestions) <= 3
    for suggestion in report.suggestions:
        assert suggestion.is_of_settings == (suggestion.gpu_count == count and not suggestion.quantization)
        changed = model
        if suggestion.quantization is not None:
            changed = replace(model, quantization=suggestion.quantization)
        elif suggestion.settings.quantization != setting.quantization:
            while_loading = parse_quantization({}, suggestion.settings.quantization)
            changed = replace(model, quantization=while_loading)
        outcome = assess_fit(changed, suggestion.settings, (gpu,) * suggestion.gpu_count)
        assert outcome.is_runnable, suggestion
        promised = (suggestion.verdict, suggestion.max_model_len, suggestion.max_concurrency)
        assert (outcome.verdict, outcome.max_model_len, outcome.max_concurrency) == promised


@given(models(), engine_settings(), cards(), st.floats(0.0, 1.0))
@settings(max_examples=examples(80), deadline=None)
def test_an_occupied_card_never_carries_more_than_an_idle_one(
    model: ModelArchitecture, setting: EngineSettings, gpu: Gpu, share: float
) -> None:
    occupied = replace(gpu, free_bytes=int(share * gpu.total_bytes))

    idle_report = assess(model, replace(setting, max_model_len=4096), gpu)
    occupied_report = assess(model, replace(setting, max_model_len=4096), occupied)

    if occupied_report.is_runnable:
        assert idle_report.is_runnable


@given(models(), cards(), st.integers(1 << 28, 1 << 38))
@settings(max_examples=examples(80), deadline=None)
def test_heavier_checkpoints_never_leave_more_cache(model: ModelArchitecture, gpu: Gpu, size: int) -> None:
    setting = EngineSettings(max_model_len=4096)
    unknown = replace(model, is_layout_known=False, quantization=None)

    light = assess_fit(unknown, setting, (gpu,), CheckpointFacts(weights_bytes=size, parameters=size // 2))
    heavy = assess_fit(unknown, setting, (gpu,), CheckpointFacts(weights_bytes=2 * size, parameters=size))

    assert light.kv_cache_bytes is not None and heavy.kv_cache_bytes is not None
    assert heavy.kv_cache_bytes <= light.kv_cache_bytes
