from dataclasses import replace

from modelops.domain.fit.check import check_fit
from modelops.domain.fit.report import FitReport, LimitingTerm, Verdict
from modelops.domain.fit.specs import EngineSettings
from modelops.tests.domain.fit_examples import make_gpu, make_model


def list_kinds(report: FitReport) -> list[str]:
    return [suggestion.kind for suggestion in report.suggestions]


def test_a_model_that_fits_is_left_alone() -> None:
    report = check_fit(make_model(), EngineSettings(max_model_len=4096), (make_gpu(),))

    assert (report.verdict, report.suggestions) == (Verdict.FITS, ())


def test_heads_that_do_not_divide_are_answered_with_sizes_that_do_and_with_stages() -> None:
    model = make_model(num_attention_heads=28, num_key_value_heads=4, head_dim=128)

    report = check_fit(model, EngineSettings(tensor_parallel_size=8, max_model_len=4096), (make_gpu(),) * 8)

    assert report.limit is LimitingTerm.PARALLEL_SIZE
    changes = [dict(suggestion.changes) for suggestion in report.suggestions]
    assert {"tensor_parallel_size": 4} in changes
    assert "pipeline_parallel" in list_kinds(report)


def test_fewer_sequences_are_offered_where_the_sampler_takes_the_memory() -> None:
    settings = EngineSettings(max_num_seqs=1024, max_model_len=8192, vllm_version="0.12.0")

    report = check_fit(make_model(vocab_size=160000), settings, (make_gpu(),))

    assert report.verdict is Verdict.DOES_NOT_FIT
    assert "max_num_seqs" in list_kinds(report)


def test_an_fp8_cache_is_offered_for_a_context_that_needs_twice_the_room() -> None:
    model = make_model(max_position_embeddings=131072)
    fits = check_fit(model, EngineSettings(), (make_gpu(),)).max_model_len_that_fits
    assert fits is not None

    report = check_fit(model, EngineSettings(max_model_len=fits * 3 // 2), (make_gpu(),))

    assert "kv_cache_dtype" in list_kinds(report)


def test_weights_that_are_too_large_may_be_quantized_while_they_load() -> None:
    model = make_model(num_hidden_layers=50)

    report = check_fit(model, EngineSettings(max_model_len=4096), (make_gpu(),))

    (offer,) = [each for each in report.suggestions if each.kind == "load_time_quantization"]
    assert report.verdict is Verdict.DOES_NOT_FIT
    assert dict(offer.changes)["quantization"] == "fp8"
    assert offer.is_of_settings


def test_weights_that_are_quantized_already_are_not_quantized_while_they_load() -> None:
    model = make_model("fp8", num_hidden_layers=100)

    report = check_fit(model, EngineSettings(max_model_len=4096, quantization="fp8"), (make_gpu(),))

    assert report.verdict is Verdict.DOES_NOT_FIT
    assert "load_time_quantization" not in list_kinds(report)


def test_several_changes_are_combined_when_none_alone_is_enough() -> None:
    model = make_model(num_hidden_layers=45, max_position_embeddings=131072)
    settings = EngineSettings(max_num_seqs=256, gpu_memory_utilization=0.85, vllm_version="0.12.0")

    report = check_fit(model, settings, (make_gpu(),))

    assert report.verdict is Verdict.DOES_NOT_FIT
    assert list_kinds(report)[0] == "combination"


def test_bfloat16_on_a_card_without_it_is_answered_with_float16() -> None:
    model = make_model(num_hidden_layers=20)
    settings = EngineSettings(dtype="bfloat16", max_model_len=2048)

    report = check_fit(model, settings, (make_gpu("Tesla T4", 14.6),))

    assert report.limit is LimitingTerm.COMPUTE_CAPABILITY
    assert dict(report.suggestions[0].changes) == {"dtype": "float16"}


def test_a_tight_answer_is_only_helped_by_changes_that_make_it_fit() -> None:
    model = make_model(max_position_embeddings=131072)
    fits = check_fit(model, EngineSettings(), (make_gpu(),)).max_model_len_that_fits
    assert fits is not None

    report = check_fit(model, EngineSettings(max_model_len=fits), (make_gpu(),))

    assert report.verdict is Verdict.TIGHT
    assert report.suggestions
    assert {suggestion.verdict for suggestion in report.suggestions} == {Verdict.FITS}


def test_a_quantized_model_is_not_offered_another_quantization() -> None:
    quantization = {"quant_method": "awq", "bits": 4, "group_size": 128}
    model = make_model(num_hidden_layers=200, quantization_config=quantization)

    report = check_fit(model, EngineSettings(max_model_len=2048), (make_gpu(),))

    assert report.verdict is Verdict.DOES_NOT_FIT
    assert not any(kind.startswith("quantized") for kind in list_kinds(report))


def test_unknown_is_answered_without_suggestions() -> None:
    model = replace(make_model(), is_layout_known=False)

    report = check_fit(model, EngineSettings(), (make_gpu(),))

    assert (report.verdict, report.suggestions) == (Verdict.UNKNOWN, ())
