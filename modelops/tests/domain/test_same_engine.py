"""Which changes of a profile leave its engine running."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.domain.profiles.engine_args import build_environment, build_serve_arguments
from modelops.domain.profiles.spec import ProfileSpec, to_values
from modelops.domain.switching.plan import runs_the_same_engine
from modelops.domain.switching.plan_problems import RunningEngine
from modelops.tests.profiles.profile_examples import make_profile


def is_kept_for(spec: ProfileSpec) -> bool:
    """Whether the engine of the example profile, running on its first card, goes on for `spec`."""
    before = make_profile(gpu_selection=["0"])
    running = RunningEngine(
        name="vllm-1",
        profile=before.slug,
        runtime=before.runtime,
        arguments=tuple(build_serve_arguments(before)),
        environment=build_environment(before),
        image=before.image,
        image_digest="",
        spec=to_values(before),
    )
    return runs_the_same_engine(spec, build_serve_arguments(spec), build_environment(spec), running)


def test_other_names_keep_the_engine() -> None:
    assert is_kept_for(make_profile(gpu_selection=["0"], served_model_name="another", aliases=["more"]))


@pytest.mark.parametrize("change", [{"gpu_selection": ["1"]}, {"gpu_selection": []}, {"max_model_len": 2048}])
def test_other_cards_or_flags_do_not(change: dict[str, Any]) -> None:
    assert not is_kept_for(make_profile(**{"gpu_selection": ["0"], **change}))
