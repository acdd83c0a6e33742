"""Modules that a quantization leaves in 16 bit, or gives another width, by the names in its config."""

from typing import Any

import pytest

from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.kept_modules import read_kept, read_names
from modelops.domain.fit.question import answer_question
from modelops.domain.fit.specs import GIB, CheckpointFacts, Dtype, ModelArchitecture
from modelops.domain.fit.weights import WeightsEstimate, estimate_weights
from modelops.tests.domain.fit_examples import make_config, make_gpu, make_moe_config, make_question

FOUR_BIT = {"num_bits": 4, "group_size": 32, "type": "int", "strategy": "group", "symmetric": True}
AWQ = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": FOUR_BIT}},
}
PER_WEIGHT = 0.5 + 2 / 32
LAYERS = 32
Q_AND_O, K_AND_V, MLP = 2 * 4096 * 4096, 2 * 4096 * 1024, 3 * 4096 * 14336

GEMMA4_26B = {
    "architectures": ["Gemma4ForConditionalGeneration"],
    "model_type": "gemma4",
    "tie_word_embeddings": True,
    "text_config": {
        "model_type": "gemma4_text",
        "hidden_size": 2816,
        "num_hidden_layers": 30,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 256,
        "global_head_dim": 512,
        "num_global_key_value_heads": 2,
        "attention_k_eq_v": True,
        "intermediate_size": 2112,
        "moe_intermediate_size": 704,
        "num_experts": 128,
        "top_k_experts": 8,
        "enable_moe_block": True,
        "vocab_size": 262144,
        "sliding_window": 1024,
        "max_position_embeddings": 262144,
        "torch_dtype": "bfloat16",
    },
    "vision_config": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "patch_size": 16,
    },
}


def read_model(quantization: dict[str, Any], config: dict[str, Any] | None = None) -> ModelArchitecture:
    return parse_architecture({**(config or make_config()), "quantization_config": quantization})


def weigh(model: ModelArchitecture, facts: CheckpointFacts | None = None) -> WeightsEstimate:
    return estimate_weights(
        model,
        facts or CheckpointFacts(),
        dtype=Dtype.BFLOAT16,
        tensor_parallel_size=1,
        pipeline_parallel_size=1,
        gpu=make_gpu(),
    )


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({"ignore": ["lm_head", "re:.*self_attn.*"]}, LAYERS * (Q_AND_O + K_AND_V)),
        ({"ignore": ["re:.*\\.layers\\.(0|1)\\..*"]}, 2 * (Q_AND_O + K_AND_V + MLP)),
        ({"ignore": ["model.layers.0.mlp.down_proj"]}, MLP // 3),
        ({"ignore": ["model.layers.3.self_attn.o_proj", "model.layers.3.self_attn.q_proj"]}, Q_AND_O),
        ({"ignore": ["re:vision_tower.*", "model.visual.layers.0.self_attn", "lm_head"]}, 0),
        ({"modules_to_not_convert": ["self_attn"]}, LAYERS * (Q_AND_O + K_AND_V)),
        ({"modules_to_not_convert": ["mlp.gate", "gate"]}, 0),
        ({"exclude_modules": ["model.layers.1*.mlp*"]}, 11 * MLP),
        ({"dynamic": {"-:.*\\.k_proj.*": {}}}, LAYERS * K_AND_V // 2),
        ({"extra_config": {"model.layers.7.mlp": {"bits": 16}, "lm_head": {"bits": 16}}}, MLP),
        ({"ignore": ["re:("]}, 0),
    ],
    ids=[
        "regex",
        "layers",
        "name",
        "names",
        "tower",
        "part",
        "router",
        "glob",
        "dynamic",
        "auto-round",
        "broken",
    ],
)
def test_listed_modules_take_two_bytes(more: dict[str, Any], kept: int) -> None:
    plain, listed = weigh(read_model(AWQ)), weigh(read_model({**AWQ, **more}))

    more_bytes = listed.stage_bytes[0] - plain.stage_bytes[0]
    assert more_bytes == pytest.approx(kept * (2 - PER_WEIGHT), abs=64)
    assert listed.is_uneven == (kept > 0)


def test_experts_are_told_apart_from_what_stands_beside_them() -> None:
    config = make_moe_config()
    listed = read_model(
        {**AWQ, "ignore": [f"model.layers.{i}.mlp.experts.0.up_proj" for i in range(48)]}, config
    )

    layer = read_model(AWQ, config).layers[0].weights
    assert listed.layers[0].weights.plain_experts == layer.experts // 3
    assert listed.layers[0].weights.experts == layer.experts - layer.experts // 3


def test_the_example_of_gemma_4_26b_is_no_longer_too_small() -> None:
    kept = ["lm_head", "re:.*vision_tower.*", "re:.*self_attn.*", "re:.*\\.mlp\\..*", "re:.*router.*"]

    uniform = weigh(read_model(AWQ, GEMMA4_26B)).stage_bytes[0] / GIB
    uneven = weigh(read_model({**AWQ, "ignore": kept}, GEMMA4_26B)).stage_bytes[0] / GIB

    # About 17.2 GiB were loaded. The experts stay quantized: they stand beside `mlp`, not in it.
    assert uniform < 15.5
    assert uneven == pytest.approx(17.2, rel=0.03)


@pytest.mark.parametrize(
    ("more", "attention", "mlp"),
    [
        (
            {
                "config_groups": {
                    "a": {"targets": ["re:.*self_attn.*"], "weights": {"num_bits": 8, "strategy": "channel"}},
                    "b": {"targets": ["Linear"], "weights": FOUR_BIT},
                }
            },
            1.0,
            PER_WEIGHT,
        ),
        ({"config_groups": {"b": {"targets": ["re:.*mlp.*"], "weights": FOUR_BIT}}}, 2.0, PER_WEIGHT),
        ({"dynamic": {"+:.*self_attn.*": {"bits": 8, "group_size": -1}}}, 1.0, PER_WEIGHT),
    ],
    ids=["groups", "named-alone", "override"],
)
def test_groups_of_modules_have_their_own_width(more: dict[str, Any], attention: float, mlp: float) -> None:
    found = weigh(read_model({**AWQ, **more}))

    outside = 2 * 2 * 128256 * 4096
    layers = LAYERS * ((Q_AND_O + K_AND_V) * attention + MLP * mlp)
    assert found.stage_bytes[0] == pytest.approx(layers + outside, rel=0.001)
    assert found.is_uneven


def test_uneven_weights_widen_the_band_and_the_report_asks_for_the_size() -> None:
    quantization = {**AWQ, "ignore": ["re:.*self_attn.*"]}
    config = make_config(quantization_config=quantization)
    question = make_question(config=config, max_model_len=4096, enforce_eager=True)
    size = weigh(read_model(quantization)).stage_bytes[0]

    unsized = answer_question(question)
    sized = answer_question({**question, "weights_bytes": size})

    asks = [note for note in unsized["notes"] if "the size of the safetensors (weights_bytes)" in note]
    assert len(asks) == 1
    assert sized["notes"] == []
    above = unsized["band"]["kv_cache_high_bytes"] - unsized["kv_cache_bytes"]
    assert above == pytest.approx(0.15 * size, rel=0.1)
    assert sized["band"]["kv_cache_high_bytes"] - sized["kv_cache_bytes"] < 0.2 * above


def test_a_module_is_known_under_the_names_of_text_models_alone() -> None:
    names = read_names(["model.language_model.layers.4.self_attn"])

    assert names.has("layers.4.self_attn.q_proj")
    assert not names.has("layers.40.self_attn.q_proj")
    assert not read_names(["model.vision_tower.encoder.layers.4.self_attn"])
    assert not read_kept({"ignore": "all", "dynamic": [1], "extra_config": {"a": 1}})
