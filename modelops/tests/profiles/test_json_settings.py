"""Settings that are JSON: known keys pass, what names files, code or hosts is refused with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from gateway.conf import get_config
from modelops.domain.fit.recommendation import advise, assess_candidate, to_candidate
from modelops.domain.profiles.engine_args import to_gpus
from modelops.domain.profiles.reading import read_profile
from modelops.domain.profiles.spec import to_values
from modelops.models import ModelProfile
from modelops.profiles.seeding import export_profiles, load_profiles
from modelops.tests.profiles.profile_examples import (
    CONFIG,
    find_problems,
    make_hardware,
    make_profile,
    make_values,
)
from modelops.tests.profiles.setting_samples import NEW_SETTINGS, make_flag_samples

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192}


@pytest.mark.parametrize(
    ("field", "value", "place", "reason"),
    [
        ("speculative_config", {"num_speculative_tokens": 2}, "", "needs method or model"),
        ("speculative_config", {"method": "custom_class"}, ".method", "must be one of"),
        ("speculative_config", {"model": "/models/draft"}, ".model", "neither a path nor a URL"),
        ("speculative_config", {"model": ""}, ".model", "must not be empty"),
        ("speculative_config", {"method": "ngram", "model": "a/b"}, "", "takes no model"),
        ("speculative_config", {"method": "mtp", "code_revision": "x"}, ".code_revision", "would run code"),
        ("speculative_config", {"method": "mtp", "tokens": 2}, ".tokens", "num_speculative_tokens"),
        ("hf_overrides", {"auto_map": {"AutoModel": "x.y"}}, ".auto_map", "would load code"),
        ("hf_overrides", {"rope_scaling": {"factor": "four"}}, ".rope_scaling.factor", "must be a number"),
        ("limit_mm_per_prompt", {"image": {"count": 1, "depth": 3}}, ".image.depth", "count, width, height"),
        ("limit_mm_per_prompt", {"smell": 1}, ".smell", "image, video, audio"),
        ("override_generation_config", {"top_p": 2}, ".top_p", "must be 0 to 1"),
        (
            "structured_outputs_config",
            {"reasoning_parser": "x"},
            ".reasoning_parser",
            "setting reasoning_par",
        ),
        ("structured_outputs_config", {"disable_any_whitespace": True}, "", "needs the backend"),
        ("default_chat_template_kwargs", {"chat_template": "x"}, ".chat_template", "setting chat_template"),
        ("default_chat_template_kwargs", {"a b": 1}, ".a b", "letters, digits and _"),
        ("lora_adapters", {"sql": "/adapters/sql"}, ".sql", "neither a path nor a URL"),
        ("lora_adapters", {"sql": "maker/sql"}, "", "need enable_lora: true"),
        ("max_lora_rank", 48, "", "must be one of 1, 8, 16"),
        ("allowed_media_domains", ["http://example.org/"], "[0]", "name of a host"),
        ("extra_flags", {"compilation-config": {"backend": "x"}}, ".compilation-config.backend", "run code"),
        ("extra_flags", {"compilation-config": {"cache_dir": "/"}}, ".compilation-config.cache_dir", "path"),
        (
            "extra_flags",
            {"kv-transfer-config": {}},
            ".kv-transfer-config",
            "connect the engine to other hosts",
        ),
        ("extra_flags", {"enable-log-requests": True}, ".enable-log-requests", "what users say"),
        ("trust_remote_code", True, "", "TRUST_REMOTE_CODE_REPOSITORIES does not name"),
    ],
)
def test_what_names_files_code_or_hosts_is_refused_with_its_reason(
    field: str, value: Any, place: str, reason: str
) -> None:
    problems = find_problems(**{field: value})

    assert list(problems) == [field + place]
    assert reason in problems[field + place]


@pytest.mark.parametrize(
    ("changes", "field", "advice"),
    [
        (
            {"environment": {"NCCL_P2P_DISABLE": 1}},
            "environment.NCCL_P2P_DISABLE",
            "not 1: write it in quotes",
        ),
        ({"environment": {"OMP_NUM_THREADS": 8}}, "environment.OMP_NUM_THREADS", "not 8: write it in quotes"),
        (
            {"environment": {"TOKENIZERS_PARALLELISM": False}},
            "environment.TOKENIZERS_PARALLELISM",
            "in quotes",
        ),
        ({"revision": 1.5}, "revision", "not 1.5: write it in quotes"),
        ({"extra_flags": {"max-model-len": 1}}, "extra_flags.max-model-len", "of its own: max_model_len"),
        ({"extra_flags": {"enable_lora": True}}, "extra_flags.enable_lora", "of its own: enable_lora"),
        (
            {"extra_flags": {"no-enable-prefix-caching": True}},
            None,
            "is written enable-prefix-caching: false",
        ),
        ({"extra_flags": {"no-enforce-eager": True}}, None, "is written enforce_eager: false"),
        ({"extra_flags": {"task": "embed"}}, "extra_flags.task", "is written runner"),
        ({"extra_flags": {"rope-scaling": {}}}, "extra_flags.rope-scaling", "under the key rope_scaling"),
    ],
)
def test_message_says_how_it_is_written(changes: dict[str, Any], field: str | None, advice: str) -> None:
    problems = find_problems(**changes)

    assert field is None or list(problems) == [field]
    assert advice in next(iter(problems.values()))


def test_adapter_may_not_take_a_name_of_the_model() -> None:
    problems = find_problems(enable_lora=True, lora_adapters={"example": "maker/sql"})

    assert "a name of the model itself" in problems["lora_adapters.example"]


def test_yarn_makes_room_for_a_longer_context_in_the_profile_and_in_the_fit_check() -> None:
    plain = find_problems(max_model_len=32_768)
    spec = make_profile(max_model_len=32_768, hf_overrides={"rope_scaling": YARN})

    assert "the model ends at 8192 positions" in plain["max_model_len"]
    report = assess_candidate(to_candidate(spec), to_gpus(make_hardware())).report
    assert report.max_model_len == 32_768


def test_overrides_of_a_part_of_the_model_are_merged_into_that_part() -> None:
    text = {**CONFIG, "rope_theta": 1.0}
    config = {"model_type": "llava", "text_config": text, "rope_scaling": {"factor": 1.0}}
    overrides = {"text_config": {"rope_theta": 9.0}, "rope_scaling": YARN}

    effective = make_profile(config=config, hf_overrides=overrides).effective_config

    assert effective["text_config"] == {**text, "rope_theta": 9.0}
    assert effective["rope_scaling"] == YARN


def test_report_names_what_the_estimate_leaves_out() -> None:
    spec = make_profile(
        limit_mm_per_prompt={"image": {"count": 1, "width": 512, "height": 512}},
        extra_flags={"compilation-config": {"level": 3}, "seed": 1},
    )
    gpus = to_gpus(make_hardware())

    assessment = assess_candidate(to_candidate(spec), gpus)

    note = "the estimate does not consider --limit-mm-per-prompt, --compilation-config"
    assert note in assessment.report.notes
    assert note in advise(assessment, gpus).report.notes
    assert not any("does not consider" in each for each in _assess_plainly().notes)


def _assess_plainly() -> Any:
    return assess_candidate(to_candidate(make_profile()), to_gpus(make_hardware())).report


@pytest.mark.django_db
def test_everything_an_export_holds_loads_back_without_a_change() -> None:
    values = make_values(
        **NEW_SETTINGS, extra_flags=make_flag_samples(), environment={"NCCL_P2P_DISABLE": "1"}
    )
    spec = read_profile(values).spec
    assert spec is not None
    row = ModelProfile()
    row.set_values(spec)
    row.full_clean()
    row.save()

    text = export_profiles()
    ModelProfile.objects.all().delete()
    load_profiles(text)

    assert to_values(ModelProfile.objects.get().to_spec()) == to_values(spec)
    assert load_profiles(export_profiles()).profiles.unchanged == ("example",)


@pytest.mark.django_db
def test_code_of_a_repository_runs_once_the_operator_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ModelProfile(**make_values(trust_remote_code=True))
    trusting = replace(get_config(), trust_remote_code_repositories=("somebody/example-8b",))

    with pytest.raises(ValidationError, match="TRUST_REMOTE_CODE_REPOSITORIES"):
        row.full_clean()
    monkeypatch.setattr("modelops.models.profile_reading.get_config", lambda: trusting)
    row.full_clean()

    assert row.to_spec().trust_remote_code
