"""Good starts as anonymous lines, and the fit check's score on such lines."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from modelops.domain.engine_log.sizes import EngineSizes, serialise_sizes
from modelops.domain.fit.measured_run import serialise_estimate
from modelops.domain.fit.shared_runs import NotShareable, read_run
from modelops.domain.fit.specs import GIB
from modelops.domain.profiles.engine_args import to_engine_settings
from modelops.fit.calibrating import score_text
from modelops.fit.profile_fits import assess_profiles, get_gpu_choice
from modelops.fit.sharing import share_start
from modelops.models import Engine, ModelProfile
from modelops.models.profile_reading import read_own_profile
from modelops.tests.domain.fit_examples import DATA, make_config
from modelops.tests.fit_rows import record, save_profile, save_simulated
from modelops.tests.serving.slot_rows import make_engine, make_slot

PLANTED = (
    *("alice", "Kim Minji", "secret", "acme", "box7", "10.1.2.3", "/home/", "hf_abcdefgh", "GPU-1234", "@"),
    *("qwen-for-legal", "default-1", "legal team", "internal"),
)
"""What belongs to whoever ran it. Of all of it some stands in the start below."""


@pytest.fixture
def profile(db: None) -> ModelProfile:
    record()
    return save_profile(
        "qwen-for-legal",
        display_name="Kim Minji of the legal team",
        repository="acme/alice-secret-model",
        image="registry.acme.internal:5000/vllm/vllm-openai:v0.33.0-acme",
        config=make_config(
            _name_or_path="/home/alice/models/secret",
            transformers_version="4.5-acme",
            auto_map={"AutoConfig": "alice.SecretConfig"},
            alice_secret_width=77,
        ),
        served_model_name="legal-secret",
        environment={"NCCL_SOCKET_IFNAME": "box7"},
        max_num_seqs=32,
        tensor_parallel_size=2,
    )


def start(profile: ModelProfile, **changes: Any) -> Engine:
    told = EngineSizes(
        vllm_version="0.33.0+acme.box7",
        tensor_parallel_size=2,
        max_model_len=8192,
        weights_bytes=round(7.6 * GIB),
        available_kv_bytes=round(11.5 * GIB),
        kv_cache_tokens=188_416,
        card_total_bytes=round(23.57 * GIB),
        is_cold=True,
    )
    values = {
        "spec": profile.get_values(),
        "image": profile.image,
        "gpu_name": "NVIDIA GeForce RTX 3090 of alice",
        "gpus": ["GPU-1234"],
        "environment": {"HF_TOKEN": "hf_abcdefgh"},
        "base_url": "http://10.1.2.3:8000",
        "actual": serialise_sizes(told),
    }
    return make_engine(make_slot(), profile.slug, **{**values, **changes})


def run(command: str, *arguments: str) -> tuple[int, str, str]:
    output, errors = StringIO(), StringIO()
    try:
        call_command(command, *arguments, stdout=output, stderr=errors)
    except SystemExit as exc:
        return int(exc.code or 0), output.getvalue(), errors.getvalue()
    return 0, output.getvalue(), errors.getvalue()


def test_a_shared_start_names_nobody_and_is_scored_as_it_ran(profile: ModelProfile, tmp_path: Path) -> None:
    (expected,) = assess_profiles([profile], get_gpu_choice())
    engine = start(profile, estimate=serialise_estimate(expected.report))

    _, line, _ = run("fit_report", "--share")
    path = tmp_path / "runs.jsonl"
    path.write_text(line)
    code, table, _ = run("calibrate", str(path))
    _, compared, _ = run("fit_report", engine.name)

    assert [word for word in PLANTED if word.lower() in line.lower()] == []
    shared = json.loads(line)
    assert shared["question"]["gpus"] == [{"name": "NVIDIA GeForce RTX 3090", "total_mib": 24135.7}] * 2
    assert shared["question"]["vllm_version"] == "0.33.0"
    assert (shared["question"]["max_num_seqs"], shared["is_first_start"]) == (32, True)
    assert shared["measured"]["kv_tokens"] == 188_416
    assert shared["model"]["config"]["hidden_size"] == 4096
    (score,) = score_text(line).scores
    assert (score.is_right, score.cache.measured) == (True, 11.5)
    assert (code, "Verdicts: 1 of 1 are right" in table) == (0, True)
    assert "7.60 GiB" in compared and "188,416 tokens" in compared


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gpu_name": ""}, "no GPU"),
        ({"gpu_name": "Imaginary of alice"}, "not a known one"),
        ({"spec": {"engine": "simulator"}}, "simulated"),
    ],
)
def test_what_cannot_be_told_is_not_shared(
    profile: ModelProfile, changes: dict[str, Any], reason: str
) -> None:
    engine = start(profile, **changes)

    with pytest.raises(NotShareable, match=reason):
        share_start(engine)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"architectures": ["AliceForCausalLM"], "model_type": "alice"}, "family"),
        ({"architectures": ["AliceForCausalLM"], "model_type": "alice", "rwkv": 7}, "not in the table"),
        ({"quantization_config": {"quant_method": "/home/alice/awq", "bits": 4}}, "more than it should"),
    ],
)
def test_a_shape_that_only_words_of_ones_own_describe_is_not_shared(
    profile: ModelProfile, config: dict[str, Any], reason: str
) -> None:
    engine = start(profile, spec={**profile.get_values(), "config": make_config(**config)})

    with pytest.raises(NotShareable, match=reason):
        share_start(engine)


@pytest.mark.parametrize(
    "settings",
    [
        {"extra_flags": {"runner": "generate", "language-model-only": True, "cpu-offload-gb": 2}},
        {"extra_flags": {"block-size": 32}, "max_num_batched_tokens": 4096, "kv_cache_dtype": "fp8"},
        {"limit_mm_per_prompt": {"image": 2, "video": 0}},
        {"speculative_config": {"method": "ngram", "num_speculative_tokens": 3}},
    ],
)
def test_settings_that_a_question_can_ask_for_are_shared(
    profile: ModelProfile, settings: dict[str, Any]
) -> None:
    spec = {**profile.get_values(), **settings}
    reading = read_own_profile(spec)
    assert reading.spec is not None, reading.problems

    shared = share_start(start(profile, spec=spec))

    asked = to_engine_settings(reading.spec, tensor_parallel_size=2)
    as_run: dict[str, Any] = {"vllm_version": "0.33.0", "max_model_len": 8192, "is_max_model_len_auto": False}
    assert read_run(shared).question.settings == replace(asked, **as_run)


def test_a_start_with_flags_that_the_check_does_not_know_is_not_shared(profile: ModelProfile) -> None:
    flags = {"num-gpu-blocks-override": 512}
    engine = start(profile, spec={**profile.get_values(), "extra_flags": flags})

    with pytest.raises(NotShareable, match="--num-gpu-blocks-override"):
        share_start(engine)


def test_all_shares_what_can_be_and_names_the_rest(profile: ModelProfile) -> None:
    slot = make_slot("second")
    start(profile)
    make_engine(
        slot, "pretend", spec=save_simulated().get_values(), gpu_name="", actual={"weights_bytes": GIB}
    )

    _, lines, errors = run("fit_report", "--all", "--share")

    assert len(lines.splitlines()) == 1
    assert "second-1: not shared: it is simulated" in errors


@pytest.mark.django_db
def test_without_a_start_there_is_nothing_to_report() -> None:
    for arguments in ([], ["--share"], ["none-1"], ["--all", "--share"]):
        with pytest.raises(CommandError):
            run("fit_report", *arguments)


def test_runs_are_scored_and_bad_lines_named(tmp_path: Path) -> None:
    good = {
        "id": "a",
        "model": {"config": make_config(), "weights_bytes": None},
        "question": {"gpus": [{"name": "RTX 3090", "total_mib": 24166}], "vllm_version": "0.33.0"},
        "measured": {"outcome": "fits", "kv_cache_gib": 5.0},
    }
    wrong = {**good, "id": "b", "measured": {"outcome": "out_of_memory"}}
    lines = [
        json.dumps(good),
        "{not json",
        "",
        json.dumps({**good, "question": {"gpus": [{"name": "RTX 3090", "total_mib": -1}]}}),
        json.dumps({**good, "model": {"config": make_config(num_hidden_layers={"a": 1})}}),
        json.dumps({**good, "measured": {"outcome": "fits", "kv_tokens": "many"}}),
        json.dumps({**good, "measured": {}}),
        json.dumps(["a"]),
        json.dumps(wrong),
    ]
    path = tmp_path / "runs.jsonl"
    path.write_text("\n".join(lines))

    code, output, errors = run("calibrate", str(path), "--json")

    content = json.loads(output)
    assert code == 2
    assert [(each["line"], each["field"]) for each in content["bad_lines"]] == [
        (2, "line"),
        (4, "question.gpus[0].total_mib"),
        (5, "model.config.num_hidden_layers"),
        (6, "measured.kv_tokens"),
        (7, "measured.outcome"),
        (8, "line"),
    ]
    assert "line 6: measured.kv_tokens: must be a number, not 'many'" in errors
    assert [(each["id"], each["is_right"]) for each in content["runs"]] == [("a", True), ("b", False)]
    totals = content["totals"]
    assert (totals["runs"], totals["right_verdicts"], totals["false_fits"], totals["cache_runs"]) == (
        2,
        1,
        1,
        1,
    )


def test_the_runs_that_the_check_is_tested_with_are_scored_too() -> None:
    calibration = score_text((DATA / "calibration_runs.json").read_text(encoding="utf-8"))

    assert calibration.bad_lines == ()
    assert calibration.totals.false_fits == 0
    assert calibration.totals.right_verdicts >= calibration.totals.runs - 1
