"""Expert, data and pipeline parallel: who holds what, and how many cards that takes."""

from typing import Any

import pytest

from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.divisibility import find_parallel_problems
from modelops.domain.fit.expert_split import ExpertSplit
from modelops.domain.fit.question import answer_question
from modelops.domain.fit.specs import ModelArchitecture
from modelops.tests.domain.fit_examples import make_config, make_moe_config, make_question

FP8_BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128]}
CARDS = [{"name": "H200", "total_mib": 143000}] * 8


def ask(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return answer_question(make_question(config=config, gpus=CARDS, max_model_len=8192, **changes))


def count_experts(model: ModelArchitecture) -> int:
    return 2 * sum(layer.weights.experts for layer in model.layers)


@pytest.mark.parametrize(
    ("sizes", "is_whole", "experts", "share", "slices"),
    [
        ((4, 1), False, 128, 1 / 4, 4),
        ((4, 1), True, 128, 1 / 4, 1),
        ((4, 1), True, 10, 3 / 10, 1),
        ((2, 2), False, 128, 1 / 4, 4),
        ((2, 2), True, 60, 1 / 4, 1),
        ((1, 1), True, 128, 1, 1),
    ],
)
def test_the_fullest_rank_holds_its_share_of_the_experts(
    sizes: tuple[int, int], is_whole: bool, experts: int, share: float, slices: int
) -> None:
    split = ExpertSplit.make(tensor_parallel_size=sizes[0], data_parallel_size=sizes[1], is_whole=is_whole)

    assert float(split.find_share(experts)) == pytest.approx(share)
    assert split.slices == slices


def test_experts_that_do_not_divide_are_heavier_as_a_whole_than_in_slices() -> None:
    config = {**make_moe_config(), "num_experts": 130}
    model = parse_architecture(config)

    sliced = ask(config, tensor_parallel_size=4, max_num_seqs=16)
    whole = ask(config, tensor_parallel_size=4, max_num_seqs=16, enable_expert_parallel=True)

    more = count_experts(model) * (33 / 130 - 1 / 4)
    assert whole["weights_bytes"] - sliced["weights_bytes"] == pytest.approx(more, abs=2)
    # Each rank has whole experts, for as many tokens: their inner width is not divided.
    assert whole["activation_bytes"] > sliced["activation_bytes"]


def test_blocks_that_slices_would_cut_are_fine_with_whole_experts() -> None:
    model = parse_architecture(make_moe_config(quantization_config=FP8_BLOCKS))
    whole = ExpertSplit.make(tensor_parallel_size=4, data_parallel_size=1, is_whole=True)

    assert "192 per GPU" in find_parallel_problems(model, 4)[0]
    assert find_parallel_problems(model, 4, experts=whole) == []


def test_data_parallel_takes_cards_for_each_copy_and_spreads_the_experts() -> None:
    config = make_moe_config()
    experts = count_experts(parse_architecture(config))

    one = ask(config, tensor_parallel_size=2)
    two = ask(config, tensor_parallel_size=2, data_parallel_size=2)
    lacking = answer_question(
        make_question(config=config, gpus=CARDS[:3], tensor_parallel_size=2, data_parallel_size=2)
    )

    assert one["weights_bytes"] - two["weights_bytes"] == pytest.approx(experts / 4, abs=2)
    assert two["kv_bytes_per_request"] == one["kv_bytes_per_request"]
    assert two["data_parallel_size"] == 2
    assert lacking["reasons"] == ["4 GPUs are needed (tensor × pipeline × data parallel), 3 given"]


def test_copies_of_a_dense_model_are_engines_of_their_own() -> None:
    one, two = ask(make_config()), ask(make_config(), data_parallel_size=2)

    names = ("weights_bytes", "activation_bytes", "non_torch_bytes", "context_bytes", "kv_cache_bytes")
    assert [one[name] for name in names] == [two[name] for name in names]


def test_stages_hold_the_layers_that_the_operator_gives_them() -> None:
    even = ask(make_config(), pipeline_parallel_size=2)
    uneven = ask(make_config(), pipeline_parallel_size=2, pp_layer_partition="8,24")
    wrong = ask(make_config(), pipeline_parallel_size=2, pp_layer_partition="8,8")

    # The second stage is the tighter one: 24 of 32 layers, and their cache.
    assert uneven["weights_bytes"] > 1.4 * even["weights_bytes"]
    assert uneven["kv_bytes_per_request"] == pytest.approx(1.5 * even["kv_bytes_per_request"], rel=0.01)
    assert "=8,8 does not split 32 layers over 2 stages" in wrong["reasons"][0]
    assert (wrong["verdict"], wrong["limit"]) == ("does_not_fit", "tensor_parallel_size")
