import json
from typing import Any

import pytest

from modelops.domain.errors import FieldError
from modelops.domain.fit.question import answer_question, parse_question
from modelops.domain.fit.specs import MIB
from modelops.tests.domain.fit_examples import make_config, make_question

PROMISED = (
    "id",
    "verdict",
    "limit",
    "weights_bytes",
    "activation_bytes",
    "non_torch_bytes",
    "cuda_graph_bytes",
    "kv_cache_bytes",
    "kv_cache_tokens",
    "max_model_len_that_fits",
    "max_concurrency",
    "suggestions",
)


def test_answer_is_plain_json_with_the_promised_names() -> None:
    answer = answer_question(make_question())

    assert set(PROMISED) <= set(answer)
    assert json.loads(json.dumps(answer)) == answer


def test_every_setting_of_a_question_is_taken_over() -> None:
    question = parse_question(
        make_question(
            tensor_parallel_size=2,
            pipeline_parallel_size=1,
            max_model_len=4096,
            gpu_memory_utilization=0.8,
            dtype="float16",
            quantization="awq",
            kv_cache_dtype="fp8",
            max_num_seqs=8,
            max_num_batched_tokens=1024,
            enforce_eager=True,
        )
    )

    settings = question.settings
    assert (settings.tensor_parallel_size, settings.max_model_len, settings.max_num_seqs) == (2, 4096, 8)
    assert (settings.gpu_memory_utilization, settings.dtype, settings.quantization) == (0.8, "float16", "awq")
    assert (settings.kv_cache_dtype, settings.max_num_batched_tokens) == ("fp8", 1024)
    assert settings.enforce_eager


def test_missing_values_and_nulls_take_the_engines_defaults() -> None:
    nulls = {"tensor_parallel_size": None, "max_model_len": None, "enforce_eager": None, "dtype": None}

    assert parse_question(make_question(**nulls)).settings == parse_question(make_question()).settings


@pytest.mark.parametrize("asked", ["auto", -1])
def test_automatic_context_is_understood(asked: Any) -> None:
    assert parse_question(make_question(max_model_len=asked)).settings.is_max_model_len_auto


def test_free_memory_is_read_in_mib() -> None:
    gpus = [{"name": "RTX 3090", "total_mib": 24166, "free_mib": 14000}]

    assert parse_question(make_question(gpus=gpus)).gpus[0].free_bytes == 14000 * MIB


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"config": None}, "config"),
        ({"gpus": []}, "gpus"),
        ({"gpus": [{"total_mib": 1}]}, "gpus[0].name"),
        ({"gpus": [{"name": "Imaginary 9000"}]}, "gpus[0].total_mib"),
        ({"gpus": [{"name": "RTX 3090", "total_mib": "24G"}]}, "gpus[0].total_mib"),
        ({"tensor_parallel_size": 0}, "tensor_parallel_size"),
        ({"tensor_parallel_size": True}, "tensor_parallel_size"),
        ({"gpu_memory_utilization": 1.2}, "gpu_memory_utilization"),
        ({"max_model_len": "long"}, "max_model_len"),
        ({"enforce_eager": "yes"}, "enforce_eager"),
        ({"weights_bytes": -1}, "weights_bytes"),
        ({"dtype": 16}, "dtype"),
        ({"aim": "fame"}, "aim"),
        ({"aim": {}}, "aim"),
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse_question(make_question(**changes))

    assert caught.value.field == field


def test_a_bad_question_is_answered_unknown_with_its_field() -> None:
    config = make_config(hidden_size=None)

    answer = answer_question(make_question(config=config))

    assert answer["verdict"] == "unknown"
    assert answer["error"]["field"] == "config.hidden_size"


def test_an_unknown_layout_is_answered_unknown_with_the_reason() -> None:
    config = make_config(model_type="novel", architectures=["NovelForCausalLM"], rwkv_version=7)

    answer = answer_question(make_question(config=config))

    assert (answer["verdict"], answer["limit"]) == ("unknown", "layout")
    assert "rwkv_version" in answer["reasons"][0]
