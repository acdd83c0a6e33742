from typing import Any

import pytest

from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.engine_defaults import find_traits, resolve_settings
from modelops.domain.fit.kv_cache import CacheLayout, plan_cache
from modelops.domain.fit.specs import EngineSettings, LayerKind, ModelArchitecture, Speculation
from modelops.tests.domain.fit_examples import (
    make_config,
    make_gpu,
    make_hybrid_config,
    make_latent_config,
    make_model,
    make_sliding_config,
)


def plan(model: ModelArchitecture, **changes: object) -> CacheLayout:
    settings = EngineSettings(**changes)  # type: ignore[arg-type]
    gpu = make_gpu()
    traits = find_traits(settings, gpu)
    return plan_cache(model, model.layers, resolve_settings(settings, model, gpu, traits), traits)


@pytest.mark.parametrize(
    ("ranks", "heads_per_rank"), [(1, 8), (2, 4), (8, 1), (16, 1)], ids=["tp1", "tp2", "tp8", "replicated"]
)
def test_full_attention_bytes_per_token(ranks: int, heads_per_rank: int) -> None:
    layout = plan(make_model(), tensor_parallel_size=ranks)

    assert layout.block_bytes / 16 == 2 * 32 * heads_per_rank * 128 * 2


def test_fp8_cache_takes_half() -> None:
    assert plan(make_model(), kv_cache_dtype="fp8").block_bytes * 2 == plan(make_model()).block_bytes


def test_latent_cache_is_not_divided() -> None:
    model = parse_architecture(make_latent_config())

    one, two = plan(model), plan(model, tensor_parallel_size=2)

    assert one.block_bytes == two.block_bytes == 16 * 27 * 576 * 2


def test_engines_before_0_7_1_expand_latents_to_heads() -> None:
    model = parse_architecture(make_latent_config())

    assert plan(model, vllm_version="0.6.6").block_bytes == 16 * 27 * 16 * 512 * 2


def test_sliding_layers_stop_growing_at_the_window() -> None:
    model = parse_architecture(make_sliding_config())
    layout = plan(model, max_num_batched_tokens=2048)

    growth = layout.count_request_blocks(65536) - layout.count_request_blocks(32768)

    assert growth == 32768 // 16
    assert layout.group_count == 6


def test_engines_without_a_hybrid_cache_keep_every_token_of_every_layer() -> None:
    model = parse_architecture(make_sliding_config())

    layout = plan(model, vllm_version="0.8.4")

    assert layout.group_count == 1
    assert layout.block_bytes == 16 * 30 * 2 * 8 * 128 * 2


def test_constant_state_grows_the_block_until_a_page_holds_it() -> None:
    model = parse_architecture(make_hybrid_config())

    layout = plan(model)

    token_bytes = 2 * 2 * 256 * 2
    state_bytes = ((2 * 16 * 128 + 32 * 128) * 3 + 32 * 128 * 128) * 2
    assert layout.min_block_tokens * token_bytes >= state_bytes
    assert layout.group_count == 4


def test_context_rounds_up_to_whole_blocks() -> None:
    layout = plan(make_model())

    assert layout.count_request_blocks(17) == 2
    assert layout.count_blocks(3 * layout.block_bytes - 1) == 2
    assert layout.count_blocks(-1) == 0


@pytest.mark.parametrize(
    ("version", "stages", "blocks"),
    [("0.25.1", 1, 577), ("0.26.0", 1, 1089), ("0.32.0", 1, 1089), ("0.32.0", 2, 1601), ("0.99.0", 1, 1089)],
)
def test_windows_keep_the_tokens_of_all_steps_in_flight(version: str, stages: int, blocks: int) -> None:
    model = parse_architecture(make_sliding_config())
    gpu = make_gpu()
    settings = EngineSettings(
        max_num_batched_tokens=8192, vllm_version=version, pipeline_parallel_size=stages
    )
    traits = find_traits(settings, gpu)
    resolved = resolve_settings(settings, model, gpu, traits)

    window = [layer for layer in model.layers if layer.cache.kind is LayerKind.SLIDING][:1]
    layout = plan_cache(model, tuple(window), resolved, traits)

    assert layout.count_request_blocks(131072) == blocks


def test_float16_quantized_checkpoint_may_declare_an_fp8_cache() -> None:
    quantization = {"quant_method": "compressed-tensors", "bits": 8, "kv_cache_scheme": {"num_bits": 8}}
    model = make_model(quantization_config=quantization)

    assert (
        plan(model, vllm_version="0.20.0").block_bytes == plan(model, vllm_version="0.11.0").block_bytes // 2
    )


GEMMA4 = make_config(
    model_type="gemma4",
    architectures=["Gemma4ForCausalLM"],
    num_hidden_layers=30,
    head_dim=256,
    global_head_dim=512,
    num_key_value_heads=16,
    num_global_key_value_heads=4,
    attention_k_eq_v=True,
    sliding_window=1024,
    layer_types=(["sliding_attention"] * 5 + ["full_attention"]) * 5,
)
GPT_OSS = make_config(
    model_type="gpt_oss",
    architectures=["GptOssForCausalLM"],
    num_hidden_layers=24,
    head_dim=64,
    num_local_experts=8,
    sliding_window=128,
)
UNEVEN = make_sliding_config(
    layer_types=(["sliding_attention"] * 6 + ["full_attention"]) * 4 + ["sliding_attention"] * 2
)


@pytest.mark.parametrize(
    ("config", "block_bytes", "groups", "blocks_of_5000", "blocks_of_65536"),
    [
        (make_sliding_config(), 327680, 6, 1278, 5061),
        (GPT_OSS, 393216, 2, 450, 4233),
        (GEMMA4, 1310720, 6, 1122, 3013),
        (UNEVEN, 262144, 8, 1664, 5447),
        (make_hybrid_config(), 13369344, 4, 13, 124),
    ],
    ids=["one-in-six", "alternating", "two-page-sizes", "padded-groups", "constant-state"],
)
def test_layout_equals_what_the_engines_own_allocator_computes(
    config: dict[str, Any], block_bytes: int, groups: int, blocks_of_5000: int, blocks_of_65536: int
) -> None:
    """Expected figures: vLLM 0.32's `get_kv_cache_groups` helpers run on the same layer specs."""
    layout = plan(parse_architecture(config), max_num_batched_tokens=2048, vllm_version="0.12.0")

    assert (layout.block_bytes, layout.group_count) == (block_bytes, groups)
    assert layout.count_request_blocks(5000) == blocks_of_5000
    assert layout.count_request_blocks(65536) == blocks_of_65536


def test_each_guess_needs_a_state_more_and_a_wider_convolution() -> None:
    model = parse_architecture(make_hybrid_config())
    speculation = Speculation("ngram", tokens=3)

    plain, guessing = plan(model), plan(model, speculation=speculation)

    assert (plain.state_blocks, guessing.state_blocks) == (2, 5)
    width = (2 * 16 + 32) * 128
    state, more = (width * 3 + 32 * 128 * 128) * 2, 3 * width * 2
    token_bytes = 2 * 2 * 256 * 2
    assert plain.min_block_tokens == 16 * -(-state // (16 * token_bytes))
    assert guessing.min_block_tokens == 16 * -(-(state + more) // (16 * token_bytes))


def test_hybrid_without_prefix_caching_keeps_one_state() -> None:
    model = parse_architecture(make_hybrid_config())

    assert plan(model, enable_prefix_caching=False).state_blocks == 1


def test_state_has_the_type_that_the_operator_says() -> None:
    model = parse_architecture(make_hybrid_config())

    plain, wider = plan(model), plan(model, mamba_ssm_cache_dtype="float32")

    assert wider.block_bytes > 1.9 * plain.block_bytes


def test_every_layer_keeps_the_whole_context_without_the_hybrid_manager() -> None:
    model = parse_architecture(make_sliding_config())

    layout = plan(model, disable_hybrid_kv_cache_manager=True)

    assert layout.block_bytes == 16 * 30 * 2 * 8 * 128 * 2
