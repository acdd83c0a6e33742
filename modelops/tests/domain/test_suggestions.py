from dataclasses import replace
from typing import Any

import pytest

from modelops.domain.fit.check import check_fit
from modelops.domain.fit.report import Aim, FitReport, LimitingTerm, Verdict
from modelops.domain.fit.specs import EngineSettings
from modelops.domain.fit.towers import VisionTower
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
    settings = EngineSettings(vllm_version="0.33.0")
    fits = check_fit(model, settings, (make_gpu(),)).max_model_len_that_fits
    assert fits is not None

    report = check_fit(model, replace(settings, max_model_len=fits * 5 // 4), (make_gpu(),))

    offer = next(each for each in report.suggestions if each.kind == "kv_cache_dtype")
    assert dict(offer.changes) == {"kv_cache_dtype": "fp8"}
    assert offer.costs == ("the KV cache has 8 bits: answers may be slightly worse at long contexts",)


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
    assert "combination" in list_kinds(report)


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


LONG = EngineSettings(max_model_len=16384, vllm_version="0.33.0")


def suggest(aim: Aim, settings: EngineSettings = LONG, count: int = 2, **changes: Any) -> FitReport:
    model = make_model(max_position_embeddings=131072, **changes)
    return check_fit(model, settings, (make_gpu(),) * count, aim=aim)


def test_longest_context_is_offered_at_two_prices_and_says_what_each_costs() -> None:
    report = suggest(Aim.CONTEXT)

    best, cheapest = report.suggestions
    assert dict(best.changes) == {"tensor_parallel_size": 2, "max_model_len": 131072}
    assert "takes a card more, which another model cannot use then" in best.costs
    assert [name for name, _value in cheapest.changes] == ["max_model_len"]
    assert cheapest.max_model_len is not None and 16384 < cheapest.max_model_len < 48032
    assert cheapest.costs == ("1.31 full requests at once instead of 2.93",)


def test_half_the_requests_are_called_half() -> None:
    report = suggest(Aim.CONTEXT, replace(LONG, max_model_len=65536, tensor_parallel_size=2))

    (offer,) = report.suggestions
    assert offer.costs == ("halves the number of full requests at once, from 3.32 to 1.66",)


def test_most_users_keep_the_context_that_was_asked_for() -> None:
    report = suggest(Aim.USERS)

    counts = [each.max_concurrency or 0 for each in report.suggestions]
    assert {each.max_model_len for each in report.suggestions} == {16384}
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] > (report.max_concurrency or 0)
    assert "kv_cache_dtype" in dict(report.suggestions[0].changes)


def test_more_requests_than_a_batch_takes_are_allowed_for_most_users() -> None:
    report = suggest(Aim.USERS, replace(LONG, max_model_len=2048, max_num_seqs=4), count=1)

    offer = next(each for each in report.suggestions if dict(each.changes).keys() == {"max_num_seqs"})
    assert int(dict(offer.changes)["max_num_seqs"]) > 4


def test_least_latency_turns_graphs_on_and_splits_what_a_token_waits_for() -> None:
    report = suggest(Aim.LATENCY, replace(LONG, enforce_eager=True))

    changes = dict(report.suggestions[0].changes)
    assert (changes["enforce_eager"], changes["tensor_parallel_size"]) == (False, 2)
    assert report.suggestions[0].text.startswith("--tensor-parallel-size 2")
    assert "faster: CUDA graphs" in report.suggestions[0].gains


@pytest.mark.parametrize("aim", list(Aim))
def test_no_more_of_a_card_is_offered_than_was_free(aim: Aim) -> None:
    card = make_gpu(free_gib=21.9)
    model = make_model(max_position_embeddings=131072)

    report = check_fit(
        model, replace(LONG, gpu_memory_utilization=0.85, max_model_len=40960), (card,), aim=aim
    )

    assert report.verdict is Verdict.DOES_NOT_FIT
    assert 1 <= len(report.suggestions) <= 3
    for suggestion in report.suggestions:
        assert float(dict(suggestion.changes).get("gpu_memory_utilization", 0)) <= 21.9 / 23.6


def test_without_settings_that_fit_an_aim_is_as_good_as_another() -> None:
    asked = suggest(Aim.AS_ASKED, replace(LONG, tensor_parallel_size=2), num_hidden_layers=200)
    report = suggest(Aim.USERS, replace(LONG, tensor_parallel_size=2), num_hidden_layers=200)

    assert report.verdict is Verdict.DOES_NOT_FIT
    assert report.suggestions == asked.suggestions


def test_sight_may_be_given_up_for_room() -> None:
    model = replace(
        make_model(max_position_embeddings=131072),
        vision=VisionTower(600_000_000, 1280, 5120),
        is_multimodal=True,
    )

    frugal = replace(LONG, kv_cache_dtype="fp8", max_num_seqs=16, max_num_batched_tokens=1024)

    report = check_fit(model, replace(frugal, max_model_len=49152), (make_gpu(),))

    offer = next(each for each in report.suggestions if each.kind == "text_only")
    assert dict(offer.changes) == {"language_model_only": True}
    assert (offer.text, offer.costs) == ("--language-model-only", ("no images, videos or sounds",))


def test_fewer_cards_than_asked_for_are_made_do_with_before_more_are_asked_for() -> None:
    split = replace(LONG, tensor_parallel_size=2)

    report = suggest(Aim.AS_ASKED, split, count=1)
    huge = suggest(Aim.AS_ASKED, split, count=1, num_hidden_layers=90)

    assert report.limit is LimitingTerm.GPU_COUNT
    assert dict(report.suggestions[0].changes) == {"tensor_parallel_size": 1}
    assert report.suggestions[0].verdict is Verdict.FITS
    assert [each.kind for each in huge.suggestions if not each.is_of_settings][-1] == "more_gpus"
    assert all(each.gpu_count == 1 for each in huge.suggestions if each.is_of_settings)
    assert report.tensor_parallel_size == 2


def test_context_that_is_lost_is_said_also_where_cards_were_missing() -> None:
    split = replace(LONG, tensor_parallel_size=2, max_model_len=65536, kv_cache_dtype="fp8")

    report = suggest(Aim.AS_ASKED, split, count=1, num_hidden_layers=40)

    shorter = [each for each in report.suggestions if (each.max_model_len or 0) < 65536]
    assert shorter
    assert all("are refused (asked for: 65,536)" in each.costs[0] for each in shorter)
