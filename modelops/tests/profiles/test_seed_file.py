"""The profiles that are shipped."""

from __future__ import annotations

import pytest

from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.recommendation import assess_candidate, to_candidate
from modelops.domain.fit.report import Verdict
from modelops.domain.profiles.engine_args import build_serve_arguments, to_gpus
from modelops.domain.profiles.parsers import choose_parsers
from modelops.domain.profiles.spec import ProfileSpec
from modelops.profiles.reloading import PROFILES_PATH
from modelops.profiles.seed_reading import read_seed_file
from modelops.simulator.flags import parse_command_line

SEED = read_seed_file(PROFILES_PATH.read_text(encoding="utf-8"))
PROFILES = {entry.slug: entry.spec for entry in SEED.profiles}
HARDWARE = {entry.slug: entry.spec for entry in SEED.hardware_profiles}
PROMISED = (
    "deepseek-r1-distill-qwen-14b",
    "deepseek-coder-7b",
    "deepseek-coder-33b",
    "deepseek-chat-7b",
    "qwen2-7b-instruct",
    "qwen2-14b-instruct",
    "llama3-8b-instruct",
    "llama3-70b-instruct",
    "phi3-mini",
    "codellama-7b",
)
TRAINED_POSITIONS = {
    "deepseek-r1-distill-qwen-14b": 131072,
    "deepseek-coder-7b": 16384,
    "deepseek-coder-33b": 16384,
    "deepseek-chat-7b": 4096,
    "qwen2-7b-instruct": 32768,
    "qwen2-14b-instruct": 32768,
    "llama3-8b-instruct": 8192,
    "llama3-70b-instruct": 8192,
    "phi3-mini": 4096,
    "codellama-7b": 16384,
}


def test_the_file_is_valid_and_has_what_was_promised() -> None:
    assert SEED.invalid == ()
    assert set(PROFILES) == {*PROMISED, "simulated", "simulated-large"}
    assert {"single-3090", "dual-3090", "quad-a100-80"} <= set(HARDWARE)
    assert [slug for slug, spec in PROFILES.items() if spec.is_default] == ["deepseek-r1-distill-qwen-14b"]


@pytest.mark.parametrize("slug", PROMISED)
def test_every_profile_starts_on_two_3090s(slug: str) -> None:
    assessment = assess_candidate(to_candidate(PROFILES[slug]), to_gpus(HARDWARE["dual-3090"]))

    assert assessment.report.verdict is Verdict.FITS, assessment.report.reasons
    assert assessment.report.max_model_len == PROFILES[slug].max_model_len


@pytest.mark.parametrize("slug", PROMISED)
def test_the_facts_agree_with_one_another(slug: str) -> None:
    spec = PROFILES[slug]
    model = parse_architecture(spec.config)

    assert model.parameters == spec.parameters
    assert (spec.max_model_len or 0) <= TRAINED_POSITIONS[slug]
    if spec.weights_bytes is not None:
        assert spec.weights_bytes == 2 * (spec.parameters or 0)
    assert spec.facts_source


@pytest.mark.parametrize("slug", PROFILES)
def test_parsers_are_those_of_the_models_family(slug: str) -> None:
    spec = PROFILES[slug]

    assert (spec.tool_call_parser, spec.reasoning_parser) == ("auto", "auto")
    assert choose_parsers(spec).family is not None


def test_profiles_whose_models_have_tools_switch_them_on() -> None:
    switch = "--enable-auto-tool-choice"

    with_tools = {slug for slug, spec in PROFILES.items() if switch in build_serve_arguments(spec)}

    assert with_tools == {"qwen2-14b-instruct", "simulated", "simulated-large"}


@pytest.mark.parametrize("slug", PROMISED)
def test_two_cards_without_nvlink_are_told_so(slug: str) -> None:
    spec = PROFILES[slug]
    uses_two = spec.tensor_parallel_size == 2

    assert (spec.environment.get("NCCL_P2P_DISABLE") == "1") is uses_two
    assert (spec.extra_flags.get("disable-custom-all-reduce") is True) is uses_two


@pytest.mark.parametrize("spec", PROFILES.values(), ids=list(PROFILES))
def test_every_profile_is_described_in_both_languages(spec: ProfileSpec) -> None:
    assert len(spec.description_en) > 40
    assert any("가" <= letter <= "힣" for letter in spec.description_ko)


@pytest.mark.parametrize("slug", ["simulated", "simulated-large"])
def test_the_simulator_takes_its_profiles(slug: str) -> None:
    settings = parse_command_line(build_serve_arguments(PROFILES[slug]))

    assert settings.canonical_name == slug
    assert settings.max_model_len == PROFILES[slug].max_model_len


def test_the_simulated_profiles_differ_in_context_and_speed() -> None:
    small, large = PROFILES["simulated"], PROFILES["simulated-large"]

    assert (small.max_model_len or 0) < (large.max_model_len or 0)
    assert small.extra_flags["sim-tokens-per-second"] > large.extra_flags["sim-tokens-per-second"]
