from dataclasses import replace

import pytest

from modelops.domain.errors import FieldError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.check import check_fit
from modelops.domain.fit.report import LimitingTerm, Verdict
from modelops.domain.fit.specs import GIB, CheckpointFacts, EngineSettings
from modelops.tests.domain.fit_examples import make_config, make_gpu, make_model, make_moe_config


def test_fourteen_billion_in_16_bit_needs_the_second_card() -> None:
    model = make_model(
        model_type="qwen2",
        architectures=["Qwen2ForCausalLM"],
        hidden_size=5120,
        num_hidden_layers=48,
        num_attention_heads=40,
        intermediate_size=13824,
        vocab_size=152064,
        max_position_embeddings=32768,
    )

    one = check_fit(model, EngineSettings(vllm_version="0.33.0"), (make_gpu(),))
    two = check_fit(model, EngineSettings(tensor_parallel_size=2, vllm_version="0.33.0"), (make_gpu(),) * 2)

    assert (one.verdict, one.limit) == (Verdict.DOES_NOT_FIT, LimitingTerm.WEIGHTS)
    assert two.verdict is Verdict.FITS


def test_suggestions_for_one_card_name_the_second_card_and_a_quantized_variant() -> None:
    model = make_model(num_hidden_layers=60)

    report = check_fit(model, EngineSettings(), (make_gpu(),))

    kinds = {suggestion.kind for suggestion in report.suggestions}
    assert {"quantized_awq", "more_gpus"} <= kinds


def test_a_second_card_at_hand_is_suggested_as_tensor_parallel() -> None:
    report = check_fit(make_model(num_hidden_layers=60), EngineSettings(), (make_gpu(),) * 2)

    changes = [dict(suggestion.changes) for suggestion in report.suggestions]
    assert {"tensor_parallel_size": 2} in changes


def test_context_beyond_the_cache_is_answered_with_the_largest_that_fits() -> None:
    model = make_model(max_position_embeddings=131072)

    report = check_fit(model, EngineSettings(max_model_len=131072), (make_gpu(),))

    offered = next(suggestion for suggestion in report.suggestions if suggestion.kind == "context")
    assert report.limit is LimitingTerm.KV_CACHE
    assert report.max_model_len_that_fits is not None
    assert int(dict(offered.changes)["max_model_len"]) <= report.max_model_len_that_fits


def test_context_beyond_the_positions_is_refused_before_memory_is_asked() -> None:
    report = check_fit(make_model(), EngineSettings(max_model_len=16384), (make_gpu("A100-SXM4-80GB", 79.2),))

    assert (report.verdict, report.limit) == (Verdict.DOES_NOT_FIT, LimitingTerm.CONTEXT)
    assert "16384" in report.reasons[0] and "8192" in report.reasons[0]
    assert dict(report.suggestions[0].changes) == {"max_model_len": 8192}


def test_a_foreign_process_is_named_as_the_limit_and_a_lower_share_offered() -> None:
    model = make_model(num_hidden_layers=16)

    report = check_fit(model, EngineSettings(max_model_len=4096), (make_gpu(free_gib=14.0),))

    assert (report.verdict, report.limit) == (Verdict.DOES_NOT_FIT, LimitingTerm.FREE_MEMORY)
    lowered = next(item for item in report.suggestions if item.kind == "lower_utilization")
    assert float(dict(lowered.changes)["gpu_memory_utilization"]) < 0.6


def test_an_idle_card_cannot_give_all_of_itself() -> None:
    settings = EngineSettings(gpu_memory_utilization=0.99, max_model_len=4096)

    report = check_fit(make_model(num_hidden_layers=16), settings, (make_gpu(),))

    assert report.limit is LimitingTerm.FREE_MEMORY


def test_too_few_cards_is_its_own_answer() -> None:
    report = check_fit(make_model(), EngineSettings(tensor_parallel_size=4), (make_gpu(),) * 2)

    assert (report.verdict, report.limit) == (Verdict.DOES_NOT_FIT, LimitingTerm.GPU_COUNT)


def test_auto_context_takes_what_fits() -> None:
    model = make_model(max_position_embeddings=131072)

    report = check_fit(model, EngineSettings(is_max_model_len_auto=True), (make_gpu(),))

    assert report.is_runnable
    assert report.max_model_len == report.max_model_len_that_fits
    assert report.max_model_len is not None and 8192 < report.max_model_len < 131072


def test_default_context_is_the_models_own() -> None:
    report = check_fit(make_model(), EngineSettings(), (make_gpu("A100-SXM4-80GB", 79.2),))

    assert report.max_model_len == 8192


def test_unknown_layout_is_unknown_until_its_size_is_given() -> None:
    model = make_model(model_type="novel", architectures=["NovelForCausalLM"])

    without = check_fit(model, EngineSettings(), (make_gpu(),))
    with_size = check_fit(model, EngineSettings(), (make_gpu(),), CheckpointFacts(weights_bytes=16 * GIB))

    assert (without.verdict, without.limit) == (Verdict.UNKNOWN, LimitingTerm.LAYOUT)
    assert without.suggestions == ()
    assert with_size.is_runnable


def test_graphs_are_inside_the_budget_from_0_20_on() -> None:
    model = make_model()

    before = check_fit(
        model, EngineSettings(vllm_version="0.19.0", gpu_memory_utilization=0.9), (make_gpu(),)
    )
    after = check_fit(model, EngineSettings(vllm_version="0.20.0", gpu_memory_utilization=0.9), (make_gpu(),))

    assert before.kv_cache_bytes is not None and after.kv_cache_bytes is not None
    assert before.kv_cache_bytes - after.kv_cache_bytes == after.cuda_graph_bytes


def test_pooling_models_have_no_sampler() -> None:
    model = make_model(architectures=["LlamaModel"], vocab_size=150000)

    sorting = EngineSettings(vllm_version="0.16.0")
    generating = check_fit(replace(model, is_pooling=False), sorting, (make_gpu(),))
    pooling = check_fit(model, sorting, (make_gpu(),))

    assert pooling.activation_bytes is not None and generating.activation_bytes is not None
    assert pooling.activation_bytes < generating.activation_bytes


def test_encoders_need_no_cache_to_fit() -> None:
    config = make_config(
        model_type="xlm-roberta",
        architectures=["XLMRobertaModel"],
        num_key_value_heads=None,
        max_position_embeddings=8194,
    )

    report = check_fit(parse_architecture(config), EngineSettings(), (make_gpu("Tesla T4", 14.6),))

    assert report.is_runnable


def test_pipeline_stages_share_the_layers_but_not_the_embeddings() -> None:
    model = make_model(num_hidden_layers=31)
    settings = EngineSettings(pipeline_parallel_size=2, max_model_len=4096)

    report = check_fit(model, settings, (make_gpu(),) * 2)
    whole = check_fit(model, EngineSettings(max_model_len=4096), (make_gpu("A100-SXM4-80GB", 79.2),))

    assert report.verdict is Verdict.FITS
    assert report.weights_bytes is not None and whole.weights_bytes is not None
    assert 0.4 < report.weights_bytes / whole.weights_bytes < 0.6


def test_vision_towers_have_their_own_peak() -> None:
    text = make_config(model_type="qwen2", architectures=["Qwen2ForCausalLM"])
    tower = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "patch_size": 14}
    vision = {
        **text,
        "model_type": "qwen2_5_vl",
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "vision_config": {**tower, "spatial_merge_size": 2, "hidden_act": "silu"},
    }
    settings = EngineSettings(max_num_seqs=16)

    plain = check_fit(parse_architecture(text), settings, (make_gpu(),))
    towered = check_fit(parse_architecture(vision), settings, (make_gpu(),))
    off = check_fit(parse_architecture(vision), replace(settings, is_text_only=True), (make_gpu(),))

    assert plain.activation_bytes is not None and towered.activation_bytes is not None
    assert GIB < towered.activation_bytes < 2.5 * GIB
    assert off.activation_bytes == plain.activation_bytes


def test_experts_are_divided_and_their_cache_is_not_inflated() -> None:
    model = parse_architecture(make_moe_config())

    one = check_fit(model, EngineSettings(max_model_len=8192), (make_gpu("H100 80GB", 79.18),))
    two = check_fit(
        model,
        EngineSettings(max_model_len=8192, tensor_parallel_size=2),
        (make_gpu("H100 80GB", 79.18),) * 2,
    )

    assert one.weights_bytes is not None and two.weights_bytes is not None
    assert two.weights_bytes == pytest.approx(one.weights_bytes / 2, rel=0.02)


def test_unknown_dtype_is_an_error_of_that_field() -> None:
    with pytest.raises(FieldError) as caught:
        check_fit(make_model(), EngineSettings(dtype="int3"), (make_gpu(),))

    assert caught.value.field == "dtype"


def test_explicit_cache_size_overrides_utilization() -> None:
    settings = EngineSettings(kv_cache_memory_bytes=2 * GIB, max_model_len=4096)

    report = check_fit(make_model(), settings, (make_gpu(),))

    assert report.kv_cache_bytes == 2 * GIB
