from typing import Any

import pytest

from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.capability import find_capability_notes, find_capability_problems
from modelops.domain.fit.divisibility import find_parallel_problems
from modelops.domain.fit.engine_defaults import find_traits, resolve_dtype
from modelops.domain.fit.gpu_catalog import complete_gpu
from modelops.domain.fit.specs import EngineSettings
from modelops.tests.domain.fit_examples import make_config, make_gpu, make_hybrid_config, make_moe_config

AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}
FP8_BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128]}


@pytest.mark.parametrize(
    ("config", "ranks", "fragment"),
    [
        (make_config(num_attention_heads=28, head_dim=128, num_key_value_heads=4), 8, "attention heads (28)"),
        (make_config(num_attention_heads=24, head_dim=128, num_key_value_heads=6), 4, "6 KV heads"),
        (
            make_config(vocab_size=50000, num_attention_heads=36, head_dim=128, num_key_value_heads=36),
            12,
            "vocab",
        ),
        (make_config(intermediate_size=11004), 8, "intermediate size 11004"),
        (make_config(intermediate_size=29568, quantization_config=AWQ), 2, "14784 per GPU"),
        (make_moe_config(quantization_config=FP8_BLOCKS), 4, "192 per GPU"),
        ({**make_hybrid_config(), "linear_num_value_heads": 12}, 8, "12 state heads"),
    ],
    ids=["heads", "kv-heads", "vocabulary", "width", "awq-group", "fp8-block", "state-heads"],
)
def test_refused_sizes_name_the_rule(config: dict[str, Any], ranks: int, fragment: str) -> None:
    problems = find_parallel_problems(parse_architecture(config), ranks)

    assert any(fragment in problem for problem in problems)


@pytest.mark.parametrize("ranks", [1, 2, 4, 8, 16])
def test_powers_of_two_are_accepted_with_replicated_kv_heads(ranks: int) -> None:
    assert find_parallel_problems(parse_architecture(make_config()), ranks) == []


def test_more_stages_than_layers_are_refused() -> None:
    problems = find_parallel_problems(parse_architecture(make_config()), 1, 33)

    assert "33 stages" in problems[0]


@pytest.mark.parametrize(
    ("card", "config", "settings", "fragment"),
    [
        ("Tesla T4", {}, {"dtype": "bfloat16"}, "bfloat16 needs 8.0"),
        ("Tesla V100-SXM2-32GB", {"quantization_config": AWQ}, {"dtype": "float16"}, "awq needs 7.5"),
        ("Tesla P40", {}, {"dtype": "float16"}, "vLLM needs 7.0"),
        ("Tesla T4", {"quantization_config": FP8_BLOCKS}, {"vllm_version": "0.9.0"}, "fp8 needs 8.0"),
        ("Tesla T4", {}, {"kv_cache_dtype": "fp8"}, "FP8 KV cache"),
        (
            "RTX 3090",
            {"model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"]},
            {"dtype": "float16"},
            "not numerically stable",
        ),
    ],
)
def test_what_a_card_cannot_do_is_named(
    card: str, config: dict[str, Any], settings: dict[str, Any], fragment: str
) -> None:
    model = parse_architecture(make_config(**config))
    gpu = complete_gpu(make_gpu(card))
    asked = EngineSettings(**settings)
    dtype = resolve_dtype(asked.dtype, model, gpu)

    problems = find_capability_problems(model, asked, dtype, gpu, find_traits(asked, gpu))

    assert any(fragment in problem for problem in problems)


def test_automatic_dtype_avoids_bfloat16_on_old_cards() -> None:
    model = parse_architecture(make_config())
    gpu = complete_gpu(make_gpu("Tesla T4", 14.6))

    assert resolve_dtype("auto", model, gpu) == "float16"


def test_fp8_on_ampere_is_a_note_not_a_problem() -> None:
    model = parse_architecture(make_config(quantization_config=FP8_BLOCKS))
    gpu = complete_gpu(make_gpu())
    settings = EngineSettings()
    dtype = resolve_dtype("auto", model, gpu)

    assert find_capability_problems(model, settings, dtype, gpu, find_traits(settings, gpu)) == []
    assert "weight-only" in find_capability_notes(model, settings, gpu)[0]
