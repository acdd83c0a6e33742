"""Ranking, `auto`, what a model needs, and proposals: all of it answered by the fit check itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.assessment import assess_fit
from modelops.domain.fit.gpu_catalog import find_card
from modelops.domain.fit.gpu_needs import KNOWN_CARDS, find_needs
from modelops.domain.fit.recommendation import (
    Assessment,
    Candidate,
    assess_candidate,
    sort_by_rank,
    to_candidate,
)
from modelops.domain.fit.report import LimitingTerm, Verdict
from modelops.domain.fit.specs import CheckpointFacts, EngineSettings, Gpu
from modelops.domain.profiles.engine_args import to_checkpoint_facts, to_engine_settings, to_gpus
from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.proposal import Subject, make_slug, propose_profile
from modelops.domain.profiles.reading import read_profile
from modelops.domain.profiles.spec import ProfileSpec
from modelops.tests.domain.fit_examples import make_config, make_gpu, make_model

TWO = (make_gpu(), make_gpu())
FOUR = TWO * 2
SETTINGS = EngineSettings(vllm_version="0.33.0")
LARGE: dict[str, Any] = {
    "hidden_size": 8192,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "intermediate_size": 28672,
}


def assess(gpus: tuple[Gpu, ...] | None, settings: EngineSettings = SETTINGS, **changes: Any) -> Assessment:
    candidate = Candidate("x", make_model(**changes), settings, is_tensor_parallel_auto=True)
    return assess_candidate(candidate, gpus)


def test_auto_takes_one_card_where_one_is_enough() -> None:
    found = assess(TWO)

    assert (found.settings.tensor_parallel_size, found.report.verdict) == (1, Verdict.FITS)
    assert found.why == "one card is enough, 1 left free"


def test_auto_takes_the_fewest_cards_that_fit_and_says_what_failed_with_fewer() -> None:
    found = assess(FOUR, num_hidden_layers=48)

    assert (found.settings.tensor_parallel_size, found.report.verdict) == (2, Verdict.FITS)
    assert found.why.startswith("2 cards, because with 1: weights")


def test_auto_takes_more_cards_for_the_whole_context_where_it_was_left_open() -> None:
    wanted = replace(SETTINGS, is_max_model_len_auto=True)

    found = assess(TWO, wanted, max_position_embeddings=131072)

    assert found.settings.tensor_parallel_size == 2
    assert found.context == 131072


def test_auto_skips_sizes_that_do_not_divide() -> None:
    found = assess(FOUR, num_attention_heads=6, num_key_value_heads=6, hidden_size=6144, num_hidden_layers=40)

    assert found.settings.tensor_parallel_size == 2


def test_auto_comes_as_near_as_it_can_where_nothing_fits() -> None:
    found = assess(TWO, **LARGE)

    assert (found.settings.tensor_parallel_size, found.report.verdict) == (2, Verdict.DOES_NOT_FIT)
    assert found.why == found.report.reasons[0]


@pytest.mark.parametrize("gpus", [TWO, FOUR, (make_gpu(),)])
@pytest.mark.parametrize("layers", [20, 40, 60, 90])
def test_auto_is_never_worse_than_any_size_by_hand(gpus: tuple[Gpu, ...], layers: int) -> None:
    model = make_model(num_hidden_layers=layers)
    order = [Verdict.FITS, Verdict.TIGHT, Verdict.DOES_NOT_FIT]
    candidate = Candidate("model", model, SETTINGS, is_tensor_parallel_auto=True)

    verdict = assess_candidate(candidate, gpus).report.verdict

    by_hand = [
        assess_fit(model, replace(SETTINGS, tensor_parallel_size=size), gpus).verdict
        for size in (1, 2, 4)
        if size <= len(gpus)
    ]
    assert order.index(verdict) == min(order.index(each) for each in by_hand)


def test_unknown_hardware_is_told_from_none() -> None:
    assert (assess(None).report.verdict, assess(None).report.limit) == (Verdict.UNKNOWN, LimitingTerm.INPUT)
    assert (assess(()).report.verdict, assess(()).report.limit) == (
        Verdict.DOES_NOT_FIT,
        LimitingTerm.GPU_COUNT,
    )


def make_spec(**changes: Any) -> ProfileSpec:
    values = {"slug": "x", "display_name": "X", "repository": "a/b", "image": "vllm/vllm-openai:v0.33.0"}
    reading = read_profile(values | {"config": make_config()} | changes)
    assert reading.spec is not None, reading.problems
    return reading.spec


def test_a_fixed_size_is_kept_even_if_another_would_fit() -> None:
    candidate = to_candidate(make_spec(tensor_parallel_size=2))

    assert assess_candidate(candidate, (make_gpu(),)).report.limit is LimitingTerm.GPU_COUNT


def test_simulated_profile_fits_everywhere() -> None:
    spec = make_spec(engine="simulator", runtime="process", config={}, max_model_len=4096)

    for gpus in (None, (), TWO):
        found = assess_candidate(to_candidate(spec), gpus)
        assert (found.report.verdict, found.context) == (Verdict.FITS, 4096)


@pytest.mark.parametrize(
    ("config", "words"),
    [({}, "config.json is missing"), (make_config(model_type="rwkv", architectures=["R"], rwkv=7), "rwkv")],
)
def test_profile_that_is_not_understood_is_unknown_with_the_reason(
    config: dict[str, Any], words: str
) -> None:
    found = assess_candidate(to_candidate(make_spec(config=config)), TWO)

    assert found.report.verdict is Verdict.UNKNOWN
    assert words in found.why


def test_rank_puts_what_runs_first_then_the_larger_model() -> None:
    sizes = {"small": 8, "middle": 32, "huge": 200}
    candidates = [
        Candidate(slug, make_model(num_hidden_layers=layers), SETTINGS, is_tensor_parallel_auto=True)
        for slug, layers in sizes.items()
    ]
    candidates.append(Candidate("strange", None, SETTINGS))

    ranked = sort_by_rank(assess_candidate(each, TWO) for each in candidates)

    assert [each.candidate.slug for each in ranked] == ["middle", "small", "strange", "huge"]


def test_every_card_that_needs_are_looked_up_on_is_known() -> None:
    assert [name for name in KNOWN_CARDS if find_card(name) is None] == []


def test_needs_are_the_smallest_sets_that_really_run_the_model() -> None:
    model = make_model(**LARGE)

    needs = find_needs(model, SETTINGS, CheckpointFacts())

    full = [need for need in needs if need.has_full_context]
    assert full == sorted(full, key=lambda need: (need.total_bytes, need.count))
    assert len({need.card for need in full}) == len(full) > 3
    for need in needs:
        gpus = to_gpus(HardwareSpec(slug="x", display_name="x", gpu_name=need.card, gpu_count=need.count))
        assert assess_fit(model, need.settings, gpus).is_runnable
    assert all(need.count > 2 for need in full if need.card == "RTX 3090")


def test_needs_that_shorten_the_context_come_last_and_say_so() -> None:
    model = make_model(max_position_embeddings=131072)

    needs = find_needs(model, SETTINGS, CheckpointFacts(), cards=["RTX 3090"])

    assert [(need.count, need.has_full_context) for need in needs] == [(2, True), (1, False)]
    assert needs[1].report.max_model_len is not None and 2048 <= needs[1].report.max_model_len < 131072


def test_a_model_that_nothing_known_can_hold_needs_nothing_known() -> None:
    model = make_model(**LARGE)

    assert find_needs(model, SETTINGS, CheckpointFacts(), cards=["RTX 3060"]) == ()


def make_subject(gpus: tuple[Gpu, ...] | None = TWO, peers: bool | None = None, **changes: Any) -> Subject:
    config = make_config(**changes)
    return Subject("maker/Model-8B", "abc123", config, CheckpointFacts(), gpus, peers)


@pytest.mark.parametrize("layers", [16, 32, 48, 90, 420])
@pytest.mark.parametrize("positions", [4096, 32768, 131072])
def test_every_proposal_is_a_valid_profile_that_passes_the_check_it_names(
    layers: int, positions: int
) -> None:
    subject = make_subject(num_hidden_layers=layers, max_position_embeddings=positions)

    proposal = propose_profile(subject)

    spec = read_profile(proposal.values).spec
    assert spec is not None
    report = assess_fit(
        make_model(spec.quantization or None, num_hidden_layers=layers, max_position_embeddings=positions),
        to_engine_settings(spec),
        TWO,
        to_checkpoint_facts(spec),
    )
    assert report.verdict is proposal.assessment.report.verdict
    assert report.is_runnable == (layers < 420)


def test_proposal_shortens_the_context_before_it_quantizes() -> None:
    shortened = propose_profile(make_subject(num_hidden_layers=48, max_position_embeddings=262144)).values
    quantized = propose_profile(make_subject(num_hidden_layers=90)).values

    assert (shortened["quantization"], shortened["max_model_len"] % 256) == ("", 0)
    assert 8192 <= shortened["max_model_len"] < 262144
    assert (quantized["quantization"], quantized["max_model_len"]) == ("fp8", 8192)


def test_proposal_takes_the_longest_context_that_surely_fits() -> None:
    subject = make_subject(num_hidden_layers=48, max_position_embeddings=262144)
    proposal = propose_profile(subject)
    spec = read_profile(proposal.values).spec
    assert spec is not None

    longer = replace(to_engine_settings(spec), max_model_len=proposal.values["max_model_len"] + 512)
    report = assess_fit(parse_architecture(spec.config), longer, TWO, to_checkpoint_facts(spec))

    assert proposal.assessment.report.verdict is Verdict.FITS
    assert report.verdict is Verdict.TIGHT


def test_proposal_switches_peer_to_peer_off_where_there_is_none() -> None:
    unlinked = propose_profile(make_subject(num_hidden_layers=48)).values
    linked = propose_profile(make_subject(peers=True, num_hidden_layers=48)).values
    single = propose_profile(make_subject()).values

    assert unlinked["environment"] == {"NCCL_P2P_DISABLE": "1"}
    assert unlinked["extra_flags"] == {"disable-custom-all-reduce": True}
    assert "environment" not in linked
    assert (single["tensor_parallel_size"], "environment" in single) == (1, False)


def test_proposal_leaves_occupied_memory_alone() -> None:
    gpu = make_gpu(free_gib=19.0)

    proposal = propose_profile(make_subject((gpu,), max_position_embeddings=4096))

    assert proposal.values["gpu_memory_utilization"] < 19.0 / 23.6
    assert proposal.assessment.report.is_runnable


def test_proposal_for_unknown_hardware_leaves_the_size_open() -> None:
    proposal = propose_profile(make_subject(None))

    assert proposal.values["tensor_parallel_size"] is None
    assert proposal.assessment.report.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("repository", "slug"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b-instruct"),
        ("a/Model_With__Marks", "model-with-marks"),
        ("a/" + "x" * 90, "x" * 64),
        ("a/-.-", "model"),
    ],
)
def test_slug_is_made_from_the_name(repository: str, slug: str) -> None:
    assert make_slug(repository) == slug
