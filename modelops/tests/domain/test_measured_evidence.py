"""When a start of a profile is evidence for the next one, and with which settings."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.domain.engine_log.sizes import EngineSizes
from modelops.domain.fit.measured_run import MeasuredRun, to_measured_run
from modelops.domain.profiles.engine_args import to_engine_settings
from modelops.domain.profiles.spec import ProfileSpec, to_values
from modelops.tests.domain.fit_examples import make_config


def make_spec(**changes: Any) -> ProfileSpec:
    values = {"slug": "a", "display_name": "A", "repository": "org/a", "image": "vllm/vllm-openai:v0.33.0"}
    return ProfileSpec(**{**values, "config": make_config(), "max_model_len": 4096, **changes})


def read_run(now: ProfileSpec, ran: ProfileSpec, **sizes: Any) -> MeasuredRun | None:
    told = EngineSizes(**{"tensor_parallel_size": 1, "max_model_len": 4096, **sizes})
    return to_measured_run(
        to_engine_settings(now), to_values(now), to_values(ran), told, source="a-1", gpu_name="RTX 3090"
    )


def test_start_of_the_same_profile_is_evidence_with_the_settings_it_ran_with() -> None:
    ran = make_spec(max_model_len=None, gpu_memory_utilization=0.8, display_name="Other words")
    now = make_spec(max_model_len=2048, gpu_memory_utilization=0.9)

    run = read_run(now, ran, max_model_len=5152, tensor_parallel_size=2)

    assert run is not None
    assert run.settings.max_model_len == 5152
    assert run.settings.gpu_memory_utilization == 0.8
    assert run.settings.tensor_parallel_size == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "vllm/vllm-openai:v0.32.0"},
        {"repository": "org/b"},
        {"revision": "v2"},
        {"quantization": "fp8"},
        {"max_num_seqs": 8},
        {"environment": {"VLLM_USE_V1": "0"}},
        {"extra_flags": {"block-size": 32}},
    ],
)
def test_start_with_other_settings_is_no_evidence(changes: dict[str, Any]) -> None:
    assert read_run(make_spec(), make_spec(**changes)) is None


def test_start_whose_size_nobody_tells_is_no_evidence() -> None:
    assert read_run(make_spec(), make_spec(), tensor_parallel_size=None) is None
