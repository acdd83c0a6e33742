"""Speculative decoding, adapters, offloading and formats of the cache, as a question gives them."""

from typing import Any

import pytest

from modelops.domain.errors import FieldError
from modelops.domain.fit.engine_inputs import write_inputs
from modelops.domain.fit.question import answer_question, parse_question
from modelops.domain.fit.specs import GIB
from modelops.tests.domain.fit_examples import (
    make_config,
    make_hybrid_config,
    make_latent_config,
    make_moe_config,
    make_question,
)

H100 = [{"name": "NVIDIA H100 80GB HBM3", "total_mib": 81559}]
SMALL = make_config(hidden_size=1024, num_hidden_layers=28, num_attention_heads=16, intermediate_size=3072)
"""A draft with the vocabulary of the model that it drafts for."""


def answer(**changes: Any) -> dict[str, Any]:
    return answer_question(make_question(gpus=H100, **changes))


def speculate(method: str, tokens: int = 3, **more: Any) -> dict[str, Any]:
    return {"method": method, "num_speculative_tokens": tokens, **more}


def test_ngrams_weigh_nothing_and_have_no_cache() -> None:
    plain, guessing = answer(), answer(speculative_config=speculate("ngram"))

    assert guessing["draft_bytes"] is None
    assert guessing["weights_bytes"] == plain["weights_bytes"]
    assert guessing["kv_bytes_per_request"] == plain["kv_bytes_per_request"]


def test_first_runner_profiles_the_comparison_of_guesses_and_the_second_does_not() -> None:
    older = {"vllm_version": "0.28.0"}

    first = answer(**older, speculative_config=speculate("ngram"))["activation_bytes"]
    before = answer(**older, speculative_config=speculate("mtp"))["activation_bytes"]
    second = answer(speculative_config=speculate("ngram"))["activation_bytes"]

    # At 0.28 n-grams keep a dense model from the second runner, which knows multi-token prediction.
    assert before == second
    assert first > 2 * second


def test_more_graphs_are_captured_where_a_step_has_guesses_and_with_adapters_besides() -> None:
    few = {"max_num_seqs": 8}

    plain = answer(**few)["cuda_graph_bytes"]
    guessing = answer(**few, speculative_config=speculate("ngram", 7))["cuda_graph_bytes"]
    adapted = answer(**few, enable_lora=True)["cuda_graph_bytes"]

    assert plain < adapted < guessing


@pytest.mark.parametrize(
    ("config", "cache_bytes"),
    [
        (make_latent_config(num_nextn_predict_layers=1), 576 * 2),
        (make_hybrid_config(mtp_num_hidden_layers=1), 0),
        (make_moe_config(num_nextn_predict_layers=1), 2 * 4 * 128 * 2),
    ],
    ids=["latent", "hybrid", "experts"],
)
def test_layers_for_further_tokens_weigh_as_one_of_the_others_and_have_its_cache(
    config: dict[str, Any], cache_bytes: int
) -> None:
    hidden = config["hidden_size"]

    plain = answer(config=config, max_model_len=8192)
    guessing = answer(config=config, max_model_len=8192, speculative_config=speculate("qwen3_next_mtp", 2))

    layers = config["num_hidden_layers"]
    layer = (plain["weights_bytes"] - 2 * 2 * 128256 * hidden) / layers
    assert guessing["draft_bytes"] == pytest.approx(layer + 2 * 2 * hidden * hidden, rel=0.1)
    assert guessing["weights_bytes"] == plain["weights_bytes"] + guessing["draft_bytes"]
    grown = guessing["kv_bytes_per_request"] - plain["kv_bytes_per_request"]
    assert grown == pytest.approx(8192 * cache_bytes, rel=0.01) if cache_bytes else grown > 0


def test_model_without_such_layers_says_that_its_draft_is_not_considered() -> None:
    report = answer(speculative_config=speculate("mtp"))

    assert report["verdict"] == "tight"
    assert any("names no layers for multi-token prediction" in reason for reason in report["reasons"])


def test_draft_model_has_its_own_weights_and_cache() -> None:
    config = speculate("draft_model", model="maker/small")

    plain = answer(max_model_len=8192)
    guessing = answer(max_model_len=8192, speculative_config=config, draft_config=SMALL)

    layer = 1024 * (1024 * 2 + 2 * 512 + 3 * 3072) + 2 * 1024
    parameters = 28 * layer + 2 * 128256 * 1024
    assert guessing["draft_bytes"] == pytest.approx(2 * parameters, rel=0.005)
    grown = guessing["kv_bytes_per_request"] - plain["kv_bytes_per_request"]
    assert grown == pytest.approx(8192 * 28 * 2 * 8 * 64 * 2, rel=0.01)


def test_draft_that_is_not_split_lies_whole_on_each_card() -> None:
    ranks = {"gpus": H100 * 2, "tensor_parallel_size": 2, "draft_config": SMALL, "max_model_len": 8192}

    split = answer_question(
        make_question(**ranks, speculative_config=speculate("draft_model", model="maker/small"))
    )
    whole = answer_question(
        make_question(
            **ranks,
            speculative_config=speculate("draft_model", model="maker/small", draft_tensor_parallel_size=1),
        )
    )

    assert whole["draft_bytes"] == pytest.approx(2 * split["draft_bytes"], rel=0.01)
    assert whole["kv_bytes_per_request"] > split["kv_bytes_per_request"]


def test_eagle3_head_is_one_layer_over_two_inputs_with_a_vocabulary_of_its_own() -> None:
    head = make_config(num_hidden_layers=1, draft_vocab_size=32000, architectures=["LlamaForCausalLMEagle3"])

    told = answer(speculative_config=speculate("eagle3", model="maker/eagle3-llama"), draft_config=head)
    assumed = answer(speculative_config=speculate("eagle3", model="maker/eagle3-llama"))

    attention = 2 * 4096 * (4096 + 2 * 1024) + 4096 * 4096
    parameters = attention + 3 * 4096 * 14336 + 32000 * 4096 + 3 * 4096 * 4096
    assert told["draft_bytes"] == pytest.approx(2 * parameters, rel=0.005)
    assert assumed["draft_bytes"] == pytest.approx(told["draft_bytes"], rel=0.005)
    assert any("one layer of the model's own shape is assumed" in note for note in assumed["notes"])


def test_draft_of_unknown_shape_is_named_and_keeps_the_verdict_in_doubt() -> None:
    plain = answer()
    report = answer(speculative_config=speculate("draft_model", model="maker/small"))

    assert (plain["verdict"], report["verdict"], report["limit"]) == ("fits", "tight", "weights")
    assert any("the draft maker/small is not considered" in reason for reason in report["reasons"])


def test_older_and_shorter_flags_mean_the_same() -> None:
    wanted = parse_question(
        make_question(speculative_config={"model": "maker/small", "num_speculative_tokens": 5})
    ).settings

    older = make_question(speculative_model="maker/small", num_speculative_tokens=5)
    shorter = make_question(spec_model="maker/small", spec_tokens=5)
    text = make_question(speculative_config='{"model": "maker/small", "num_speculative_tokens": 5}')

    assert [parse_question(each).settings for each in (older, shorter, text)] == [wanted] * 3


def test_settings_that_are_written_read_the_same() -> None:
    settings = parse_question(
        make_question(
            speculative_config=speculate("mtp", 2, draft_sample_method="probabilistic"),
            enable_lora=True,
            max_loras=4,
            cpu_offload_gb=2,
        )
    ).settings

    assert parse_question(make_question(**write_inputs(settings))).settings == settings


def test_kept_distributions_of_the_drafts_take_their_room() -> None:
    greedy = answer(speculative_config=speculate("eagle", 4, model="maker/head"))
    config = speculate("eagle", 4, model="maker/head", draft_sample_method="probabilistic")
    kept = answer(speculative_config=config)

    assert kept["activation_bytes"] - greedy["activation_bytes"] == 1024 * 4 * 128256 * 2


def test_adapters_take_room_for_each_slot_and_rank() -> None:
    plain = answer()
    adapted = answer(enable_lora=True, max_loras=2, max_lora_rank=64)

    attention = 3 * 4096 + (4096 + 2 * 1024) + 4096 + 4096
    mlp = 2 * 4096 + 2 * 14336 + 14336 + 4096
    vocabulary = 2 * (128256 + 4096)
    room = 2 * 64 * 2 * (32 * (attention + mlp) + vocabulary)
    assert adapted["adapter_bytes"] == room
    assert adapted["weights_bytes"] == plain["weights_bytes"] + room


def test_experts_take_room_for_adapters_one_by_one() -> None:
    report = answer(config=make_moe_config(), enable_lora=True)

    experts = 48 * 128 * (2 * 2048 + 2 * 768 + 768 + 2048)
    assert report["adapter_bytes"] == pytest.approx(16 * 2 * experts, rel=0.05)


def test_fully_sharded_adapters_are_split_over_the_cards() -> None:
    ranks = {"gpus": H100 * 2, "tensor_parallel_size": 2, "enable_lora": True, "max_lora_rank": 64}

    half = answer_question(make_question(**ranks))["adapter_bytes"]
    sharded = answer_question(make_question(**ranks, fully_sharded_loras=True))["adapter_bytes"]

    assert sharded < half


def test_offloaded_weights_leave_their_room_to_the_cache() -> None:
    plain, offloaded = answer(), answer(cpu_offload_gb=4)

    assert offloaded["offloaded_bytes"] == 4 * GIB
    assert offloaded["kv_cache_bytes"] == plain["kv_cache_bytes"] + 4 * GIB


def test_no_more_is_offloaded_than_the_layers_weigh() -> None:
    report = answer(cpu_offload_gb=100)

    vocabulary = 2 * 2 * 128256 * 4096
    assert report["weights_bytes"] == pytest.approx(vocabulary, rel=0.01)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bfloat16", 256 * 2),
        ("fp8_e5m2", 256),
        ("int8_per_token_head", 256 + 8),
        ("int4_per_token_head", 128 + 8),
        ("nvfp4", 128 + 16),
    ],
)
def test_each_format_of_the_cache_has_its_size(name: str, expected: int) -> None:
    report = answer(kv_cache_dtype=name, max_model_len=8192, block_size=16)

    # One block beyond is the null block of this version.
    assert report["kv_bytes_per_request"] == (8192 + 16) * 32 * 8 * expected


def test_packed_latents_take_what_their_kernel_stores() -> None:
    report = answer(config=make_latent_config(), kv_cache_dtype="fp8_ds_mla", max_model_len=8192)

    assert report["kv_bytes_per_request"] == (8192 + 16) * 27 * 656


def test_overrides_are_read_before_the_config_is() -> None:
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192}

    plain = answer(max_model_len=32768)
    scaled = answer(max_model_len=32768, hf_overrides={"rope_scaling": yarn})

    assert (plain["limit"], scaled["verdict"]) == ("max_model_len", "fits")


def test_what_changes_the_memory_and_is_not_read_is_named() -> None:
    report = answer(compilation_config={"level": 3}, kv_offloading_size=8, swap_space=4)

    assert "the estimate does not consider --compilation-config, --kv-offloading-size" in report["notes"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"speculative_config": "{"}, "speculative_config"),
        (
            {"speculative_config": speculate("draft_model", model="a"), "draft_config": {"a": 1}},
            "draft_config",
        ),
        ({"enable_lora": True, "max_loras": 0}, "max_loras"),
        ({"cpu_offload_gb": -1}, "cpu_offload_gb"),
        ({"hf_overrides": [1]}, "hf_overrides"),
        ({"kv_cache_dtype": "turboquant_k8v4"}, "kv_cache_dtype"),
    ],
)
def test_a_wrong_part_is_named(changes: dict[str, Any], field: str) -> None:
    report = answer(**changes)

    assert report["verdict"] == "unknown"
    assert report["error"]["field"].startswith(field)


def test_offload_that_is_no_number_is_refused() -> None:
    with pytest.raises(FieldError, match="must be a number of GiB"):
        parse_question(make_question(cpu_offload_gb="4"))
