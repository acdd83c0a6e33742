from fractions import Fraction
from typing import Any

import pytest

from modelops.domain.fit.quantization import get_bytes_per_weight, parse_quantization
from modelops.domain.fit.question import answer_question
from modelops.domain.fit.specs import Dtype
from modelops.tests.domain.fit_examples import make_config, make_question


@pytest.mark.parametrize(
    ("raw", "method", "width"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "awq", Fraction(1, 2) + Fraction(5, 256)),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, "gptq", Fraction(1)),
        ({"quant_method": "gptq", "bits": 4}, "gptq", Fraction(1, 2) + Fraction(5, 256)),
        ({"quant_method": "fp8"}, "fp8", Fraction(1)),
        (
            {"quant_method": "fp8", "weight_block_size": [128, 128]},
            "fp8",
            1 + Fraction(4, 128 * 128),
        ),
        ({"quant_method": "mxfp4"}, "mxfp4", Fraction(17, 32)),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4", Fraction(9, 16)),
        ({"quant_method": "modelopt", "quantization": {"quant_algo": "FP8"}}, "modelopt", Fraction(1)),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes", Fraction(9, 16)),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes", Fraction(1)),
        (
            {
                "quant_method": "compressed-tensors",
                "format": "pack-quantized",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 128}}},
            },
            "compressed-tensors",
            Fraction(1, 2) + Fraction(2, 128),
        ),
        (
            {"quant_method": "compressed_tensors", "format": "float-quantized"},
            "compressed-tensors",
            Fraction(1),
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "format": "nvfp4-pack-quantized",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 16}}},
            },
            "nvfp4",
            Fraction(9, 16),
        ),
    ],
)
def test_dialects_give_the_bytes_per_weight(raw: dict[str, Any], method: str, width: Fraction) -> None:
    quantization = parse_quantization({"quantization_config": raw}, None)

    assert quantization is not None
    assert quantization.method == method
    assert get_bytes_per_weight(quantization, "experts", Dtype.BFLOAT16) == width


def test_unquantized_parts_keep_the_dtype() -> None:
    quantization = parse_quantization({"quantization_config": {"quant_method": "mxfp4"}}, None)

    assert get_bytes_per_weight(quantization, "attention", Dtype.BFLOAT16) == 2
    assert get_bytes_per_weight(None, "mlp", Dtype.FLOAT32) == 4


@pytest.mark.parametrize(("flag", "bits"), [("fp8", 8), ("bitsandbytes", 4)])
def test_a_flag_quantizes_an_unquantized_checkpoint_while_loading(flag: str, bits: int) -> None:
    quantization = parse_quantization({}, flag)

    assert quantization is not None
    assert (quantization.bits, quantization.is_load_time) == (bits, True)


def test_the_checkpoints_own_quantization_wins_over_the_flag() -> None:
    raw = {"quant_method": "gptq", "bits": 4, "group_size": 32}

    quantization = parse_quantization({"quantization_config": raw}, "gptq_marlin")

    assert quantization is not None
    assert (quantization.method, quantization.group_size) == ("gptq", 32)


@pytest.mark.parametrize("flag", [None, "none", "auto"])
def test_no_quantization_is_none(flag: str | None) -> None:
    assert parse_quantization({}, flag) is None


def test_a_width_that_is_nowhere_stated_stays_unknown() -> None:
    quantization = parse_quantization({}, "compressed-tensors")

    assert quantization is not None and quantization.bits is None
    with pytest.raises(ValueError, match="no fixed width"):
        get_bytes_per_weight(quantization, "mlp", Dtype.BFLOAT16)


@pytest.mark.parametrize(
    ("raw", "width"),
    [
        ({"quant_method": "mxfp8", "weight_block_size": [1, 32]}, Fraction(33, 32)),
        ({"quant_method": "fp8", "weight_block_size": [1, 32], "scale_fmt": "ue8m0"}, Fraction(33, 32)),
        ({"quant_method": "modelopt", "quant_algo": "MXFP8"}, Fraction(33, 32)),
        ({"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized"}, Fraction(17, 32)),
        (
            {"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp4", "group_size": 32}}},
            Fraction(17, 32),
        ),
        (
            {"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}},
            Fraction(1),
        ),
        (
            {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int4WeightOnlyConfig"}}},
            Fraction(17, 32),
        ),
        (
            {"quant_method": "torchao", "quant_type": {"default": {"_type": "Float8WeightOnlyConfig"}}},
            Fraction(1),
        ),
        ({"quant_method": "auto-round", "bits": 4, "group_size": 128}, Fraction(133, 256)),
    ],
)
def test_each_dialect_has_its_width(raw: dict[str, Any], width: Fraction) -> None:
    quantization = parse_quantization({"quantization_config": raw}, None)

    assert get_bytes_per_weight(quantization, "mlp", Dtype.BFLOAT16) == width


@pytest.mark.parametrize("method", ["auto_awq", "auto_gptq", "inc", "moe_wna16", "auto_round"])
def test_name_of_a_kernel_means_the_usual_form_of_its_checkpoints(method: str) -> None:
    quantization = parse_quantization({}, method)

    assert quantization is not None
    assert (quantization.bits, quantization.group_size) == (4, 128)


def test_widths_that_vary_ask_for_the_size() -> None:
    raw = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}

    quantization = parse_quantization({"quantization_config": raw}, None)

    assert quantization is not None
    assert quantization.bits is None


@pytest.mark.parametrize(
    ("version", "stored", "flag", "refused"),
    [
        ("0.27.1", "bitsandbytes", None, ""),
        ("0.28.0", "bitsandbytes", None, "does not know bitsandbytes any more"),
        ("0.33.0", None, "bitsandbytes", "does not know bitsandbytes any more"),
        ("0.24.0", "gguf", None, "does not know gguf any more"),
        ("0.18.0", None, "mxfp8", "does not know mxfp8 yet: 0.19.0"),
        ("0.33.0", None, "mxfp8", ""),
        (None, "bitsandbytes", None, ""),
    ],
)
def test_release_that_does_not_know_a_method_refuses_it(
    version: str | None, stored: str | None, flag: str | None, refused: str
) -> None:
    config = make_config(quantization_config={"quant_method": stored} if stored else None)
    question = make_question(
        config=config, vllm_version=version, quantization=flag, weights_bytes=6 << 30, max_model_len=2048
    )

    answer = answer_question(question)

    if not refused:
        assert answer["verdict"] == "fits"
    else:
        assert (answer["verdict"], answer["limit"]) == ("does_not_fit", "quantization")
        assert refused in answer["reasons"][0]
