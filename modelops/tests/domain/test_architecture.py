from typing import Any

import pytest

from modelops.domain.errors import FieldError, UnknownLayoutError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.specs import Dtype, LayerKind
from modelops.tests.domain.fit_examples import (
    load_data,
    make_config,
    make_hybrid_config,
    make_latent_config,
    make_sliding_config,
)

COUNTS = load_data("parameter_counts.json")["models"]


@pytest.mark.parametrize("case", COUNTS, ids=[case["name"] for case in COUNTS])
def test_parameter_count_is_the_published_one(case: dict[str, Any]) -> None:
    model = parse_architecture(case["config"])

    assert model.parameters == pytest.approx(case["parameters"], rel=case["tolerance"] or 1e-12)


def test_nested_text_config_is_read_with_the_family_defaults_it_leaves_out() -> None:
    config = {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "text_config": {
            "model_type": "gemma3_text",
            "hidden_size": 2560,
            "intermediate_size": 10240,
            "num_hidden_layers": 34,
            "sliding_window": 1024,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        },
        "vision_config": {
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_hidden_layers": 27,
            "image_size": 896,
            "patch_size": 14,
        },
    }

    model = parse_architecture(config)

    assert model.kv_heads == 4
    assert model.max_positions == 131072
    assert model.parameters == pytest.approx(4_300_079_472, rel=0.002)


def test_every_sixth_gemma3_layer_sees_the_whole_context() -> None:
    kinds = [layer.cache.kind for layer in parse_architecture(make_sliding_config()).layers]

    assert kinds.count(LayerKind.FULL) == 5
    assert kinds[5] is LayerKind.FULL


def test_sliding_window_of_qwen_counts_only_when_switched_on() -> None:
    config = make_config(model_type="qwen2", architectures=["Qwen2ForCausalLM"], sliding_window=4096)

    off = parse_architecture(config)
    on = parse_architecture({**config, "use_sliding_window": True, "max_window_layers": 16})

    assert {layer.cache.kind for layer in off.layers} == {LayerKind.FULL}
    assert sum(layer.cache.kind is LayerKind.SLIDING for layer in on.layers) == 16


def test_latent_attention_caches_one_vector_per_token() -> None:
    model = parse_architecture(make_latent_config())

    assert {layer.cache.kind for layer in model.layers} == {LayerKind.MLA}
    assert model.layers[0].cache.key_dim == 512 + 64


def test_hybrid_keeps_attention_in_every_fourth_layer() -> None:
    kinds = [layer.cache.kind for layer in parse_architecture(make_hybrid_config()).layers]

    assert kinds.count(LayerKind.LINEAR) == 36
    assert kinds[3] is LayerKind.FULL


def test_unknown_type_with_foreign_fields_is_refused_with_the_field_named() -> None:
    config = make_config(model_type="novel", architectures=["NovelForCausalLM"], ssm_state_size=16)

    with pytest.raises(UnknownLayoutError, match="ssm_state_size"):
        parse_architecture(config)


def test_unknown_type_of_regular_shape_has_a_cache_but_no_known_weights() -> None:
    model = parse_architecture(make_config(model_type="novel", architectures=["NovelForCausalLM"]))

    assert not model.is_layout_known


def test_encoder_decoder_is_refused() -> None:
    config = make_config(model_type="t5", architectures=["T5Model"], is_encoder_decoder=True)

    with pytest.raises(UnknownLayoutError, match="is_encoder_decoder"):
        parse_architecture(config)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"hidden_size": None}, "config.hidden_size"),
        ({"num_hidden_layers": 0}, "config.num_hidden_layers"),
        ({"vocab_size": "many"}, "config.vocab_size"),
        ({"num_attention_heads": 7}, "config.num_attention_heads"),
        ({"intermediate_size": None}, "config.intermediate_size"),
    ],
)
def test_bad_field_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse_architecture(make_config(**changes))

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("architecture", "is_pooling"),
    [
        ("LlamaForCausalLM", False),
        ("ChatGLMModel", False),
        ("Qwen2Model", True),
        ("LlamaForSequenceClassification", True),
        ("Qwen2ForRewardModel", True),
    ],
)
def test_pooling_models_are_told_by_their_class(architecture: str, is_pooling: bool) -> None:
    model = parse_architecture(make_config(architectures=[architecture]))

    assert model.is_pooling is is_pooling


def test_encoder_keeps_no_cache() -> None:
    config = make_config(model_type="bert", architectures=["BertModel"], max_position_embeddings=512)

    assert {layer.cache.kind for layer in parse_architecture(config).layers} == {LayerKind.NONE}


def test_checkpoint_without_dtype_counts_as_float32() -> None:
    assert parse_architecture(make_config(torch_dtype=None)).dtype is Dtype.FLOAT32


@pytest.mark.parametrize(
    ("changes", "longest", "default"),
    [
        ({"max_position_embeddings": 4096}, 4096, 4096),
        ({"rope_scaling": {"type": "linear", "factor": 4.0}}, 32768, 32768),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, 8192, 8192),
        (
            {
                "max_position_embeddings": 32768,
                "rope_scaling": {
                    "type": "yarn",
                    "factor": 4.0,
                    "original_max_position_embeddings": 32768,
                },
            },
            131072,
            131072,
        ),
        (
            {
                "max_position_embeddings": 131072,
                "original_max_position_embeddings": 4096,
                "rope_scaling": {"type": "longrope", "long_factor": [1.0]},
            },
            131072,
            4096,
        ),
        ({"model_max_length": 16384}, 16384, 16384),
    ],
)
def test_context_is_derived_as_the_engine_does(changes: dict[str, Any], longest: int, default: int) -> None:
    model = parse_architecture(make_config(**changes))

    assert (model.max_positions, model.default_max_model_len) == (longest, default)
