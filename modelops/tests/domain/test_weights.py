import pytest

from modelops.domain.errors import UnknownLayoutError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.gpu_catalog import complete_gpu
from modelops.domain.fit.specs import GIB, CheckpointFacts, Dtype, ModelArchitecture
from modelops.domain.fit.weights import estimate_weights, split_layers
from modelops.tests.domain.fit_examples import make_config, make_gpu, make_latent_config, make_model

NO_FACTS = CheckpointFacts()


def weigh(
    model: ModelArchitecture,
    facts: CheckpointFacts = NO_FACTS,
    *,
    ranks: int = 1,
    dtype: Dtype = Dtype.BFLOAT16,
    card: str = "RTX 3090",
) -> int:
    gpu = complete_gpu(make_gpu(card))
    estimate = estimate_weights(
        model, facts, dtype=dtype, tensor_parallel_size=ranks, pipeline_parallel_size=1, gpu=gpu
    )
    return estimate.stage_bytes[0]


def test_sixteen_bit_weights_take_two_bytes_each_beside_the_rotary_table() -> None:
    model = make_model()

    assert weigh(model) == pytest.approx(2 * model.parameters, rel=0.001)


@pytest.mark.parametrize(
    ("layers", "stages", "expected"), [(32, 2, [16, 16]), (31, 2, [16, 15]), (10, 4, [2, 3, 3, 2])]
)
def test_layers_are_split_over_stages_as_the_engine_does(
    layers: int, stages: int, expected: list[int]
) -> None:
    assert split_layers(layers, stages) == expected


def test_awq_follows_the_group_size() -> None:
    quantization = {"quant_method": "awq", "bits": 4, "group_size": 128}
    model = make_model(quantization_config=quantization)
    embeddings = 2 * 128256 * 4096
    linear = model.parameters - embeddings

    expected = linear / 2 * (1 + 20 / (4 * 128)) + 2 * embeddings

    assert weigh(model) == pytest.approx(expected, rel=0.002)


@pytest.mark.parametrize(
    "quantization",
    [
        {"quant_method": "fp8", "weight_block_size": [128, 128]},
        {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": {"num_bits": 8}}}},
        {"quant_method": "fbgemm_fp8"},
    ],
)
def test_fp8_takes_one_byte_per_linear_weight(quantization: dict[str, object]) -> None:
    model = make_model(quantization_config=quantization)
    embeddings = 2 * 128256 * 4096

    assert weigh(model) == pytest.approx(model.parameters - embeddings + 2 * embeddings, rel=0.003)


def test_tied_embeddings_count_once() -> None:
    tied, untied = make_model(tie_word_embeddings=True), make_model()

    assert weigh(untied) - weigh(tied) == 2 * 128256 * 4096


def test_checkpoint_size_wins_over_the_layout() -> None:
    facts = CheckpointFacts(weights_bytes=15 * GIB)

    assert weigh(make_model(), facts) == pytest.approx(15 * GIB, rel=0.001)


def test_float32_checkpoint_is_halved_in_memory() -> None:
    model = make_model()
    facts = CheckpointFacts(weights_bytes=4 * model.parameters)

    assert weigh(model, facts) == pytest.approx(2 * model.parameters, rel=0.001)


def test_repository_with_the_weights_twice_is_not_believed() -> None:
    quantization = {"quant_method": "fp8"}
    model = make_model(quantization_config=quantization)

    doubled = weigh(model, CheckpointFacts(weights_bytes=2 * model.parameters))

    assert doubled == weigh(model)


def test_quantized_attention_spared_layer_by_layer_is_counted_in_16_bit() -> None:
    spared = [f"model.layers.{index}.self_attn" for index in range(32)]
    groups = {"a": {"weights": {"num_bits": 8}}}
    quantization = {"quant_method": "compressed-tensors", "config_groups": groups}

    whole = make_model(quantization_config=quantization)
    partial = make_model(quantization_config={**quantization, "ignore": spared})

    attention = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024)
    assert weigh(partial) - weigh(whole) == attention


def test_draft_layers_in_the_checkpoint_are_not_loaded() -> None:
    model = parse_architecture(make_latent_config(num_nextn_predict_layers=1))
    facts = CheckpointFacts(weights_bytes=int(2.1 * model.parameters))

    assert weigh(model, facts) == weigh(model)


def test_load_time_quantization_ignores_the_checkpoints_size() -> None:
    model = make_model("fp8")
    facts = CheckpointFacts(weights_bytes=2 * model.parameters)

    assert weigh(model, facts) < 0.65 * 2 * model.parameters


def test_key_value_projections_are_replicated_beyond_the_kv_heads() -> None:
    model = make_model(num_key_value_heads=2)

    eight = weigh(model, ranks=8)

    assert eight > weigh(model) / 8 * 1.01


def test_latent_down_projections_are_on_every_rank() -> None:
    model = parse_architecture(make_latent_config())

    assert weigh(model, ranks=2) > weigh(model) / 2 * 1.002


def test_quantized_latent_attention_keeps_its_up_projection_in_16_bit_too() -> None:
    plain = parse_architecture(make_latent_config())
    quantized = parse_architecture(make_latent_config(quantization_config={"quant_method": "fp8"}))

    absorbed = 2 * 27 * 512 * 16 * (128 + 128)
    embeddings = 2 * 128256 * 2048

    expected = plain.parameters + embeddings + absorbed
    assert weigh(quantized) == pytest.approx(expected, rel=0.002)


def test_mxfp4_experts_are_padded() -> None:
    config = make_config(
        model_type="gpt_oss",
        architectures=["GptOssForCausalLM"],
        hidden_size=2880,
        intermediate_size=2880,
        num_hidden_layers=24,
        num_attention_heads=64,
        head_dim=64,
        vocab_size=201088,
        num_local_experts=32,
        num_experts_per_tok=4,
        sliding_window=128,
        quantization_config={"quant_method": "mxfp4"},
    )

    weights = weigh(parse_architecture(config), card="H100 80GB")

    assert weights / GIB == pytest.approx(13.47, rel=0.005)


def test_formats_without_fixed_width_need_the_checkpoints_size() -> None:
    model = make_model(quantization_config={"quant_method": "gguf"})

    with pytest.raises(UnknownLayoutError, match="gguf"):
        weigh(model)
    assert weigh(model, CheckpointFacts(weights_bytes=5 * GIB)) == pytest.approx(5 * GIB, rel=0.01)
