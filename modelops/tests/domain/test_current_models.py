"""Models of today: their parameters and caches, against counts that were made without the fit check."""

from typing import Any

import pytest

from modelops.domain.errors import UnknownLayoutError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.engine_defaults import find_traits, resolve_settings
from modelops.domain.fit.kv_cache import count_token_bytes
from modelops.domain.fit.question import answer_question
from modelops.domain.fit.specs import Dtype, EngineSettings, LayerKind, ModelArchitecture
from modelops.tests.domain.fit_examples import load_data, make_config, make_gpu, make_question

MODELS = load_data("current_models.json")["models"]
NAMES = {model["name"]: model for model in MODELS}


def count_cache(model: ModelArchitecture, **settings: Any) -> int:
    asked, gpu = EngineSettings(dtype="bfloat16", **settings), make_gpu()
    resolved = resolve_settings(asked, model, gpu, find_traits(asked, gpu))
    return sum(
        count_token_bytes(layer.cache, resolved) for layer in model.layers if not layer.cache.is_shared
    )


@pytest.mark.parametrize("case", MODELS, ids=[model["name"] for model in MODELS])
def test_shape_has_the_parameters_and_the_cache_of_its_class(case: dict[str, Any]) -> None:
    model = parse_architecture(case["config"])

    assert model.is_layout_known
    assert model.parameters == pytest.approx(case["parameters"], rel=0.01)
    assert count_cache(model) == case["kv_bytes_per_token"]


def test_sparse_attention_packs_its_8_bit_latents_and_keeps_its_index_beside() -> None:
    model = parse_architecture(NAMES["deepseek-ai/DeepSeek-V3.2"]["config"])

    assert count_cache(model, kv_cache_dtype="fp8") == 61 * (656 + 132)


def test_attention_to_a_sound_takes_the_same_for_any_length_of_text() -> None:
    case = NAMES["openai/whisper-large-v3"]

    short, long = (
        answer_question(make_question(config=case["config"], max_model_len=length)) for length in (64, 448)
    )

    per_token = 32 * 2 * 1280 * 2
    assert short["kv_bytes_per_request"] == pytest.approx((64 + 1500) * per_token, rel=0.02)
    assert long["kv_bytes_per_request"] == pytest.approx((448 + 1500) * per_token, rel=0.02)


def test_delta_attention_keeps_a_state_in_32_bit() -> None:
    model = parse_architecture(NAMES["moonshotai/Kimi-Linear-48B-A3B-Instruct"]["config"])

    states = [layer.cache.state for layer in model.layers if layer.cache.kind is LayerKind.LINEAR]
    assert len(states) == 20
    assert all(state is not None and state.recurrent_is_float32 for state in states)
    assert states[0] is not None
    assert (states[0].recurrent_elements, states[0].convolution_elements) == (32 * 128 * 128, 3 * 4096 * 3)


def test_layers_with_a_window_may_have_other_heads() -> None:
    model = parse_architecture(NAMES["XiaomiMiMo/MiMo-V2-Flash"]["config"])

    shapes = {layer.cache.kind: layer.cache for layer in model.layers}
    assert (shapes[LayerKind.FULL].kv_heads, shapes[LayerKind.FULL].window) == (4, None)
    assert (shapes[LayerKind.SLIDING].kv_heads, shapes[LayerKind.SLIDING].window) == (8, 128)


@pytest.mark.parametrize("field", ["is_causal", "use_bidirectional_attention"])
def test_decoder_that_looks_both_ways_keeps_no_cache(field: str) -> None:
    model = parse_architecture(make_config(**{field: field != "is_causal"}))

    assert {layer.cache.kind for layer in model.layers} == {LayerKind.NONE}
    assert model.dtype is Dtype.BFLOAT16


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model_type": "axk2", "kv_lora_rank": 128, "index_topk": 2048}, "kv_lora_rank"),
        ({"model_type": "minimax_m3_vl", "index_n_heads": 4}, "index_n_heads"),
        ({"model_type": "rwkv7", "rwkv_head_size": 64}, "rwkv_head_size"),
        ({"model_type": "lfm2", "layer_types": ["conv"] * 31 + ["retention"]}, "retention"),
        ({"model_type": "nemotron_nas", "block_configs": [1]}, "block_configs"),
    ],
)
def test_layout_that_is_not_understood_says_by_which_field(changes: dict[str, Any], named: str) -> None:
    config = make_config(**{"architectures": ["NovelForCausalLM"], **changes})

    with pytest.raises(UnknownLayoutError, match=named):
        parse_architecture(config)
