"""The version that a profile is judged by, where its image's tag says none."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.domain.engine_log.sizes import EngineSizes, serialise_sizes
from modelops.fit.profile_fits import assess_profiles, get_gpu_choice
from modelops.models import ModelProfile
from modelops.tests.fit_rows import IMAGE, record, save_profile
from modelops.tests.serving.slot_rows import make_engine, make_slot

pytestmark = pytest.mark.django_db

LATEST = "vllm/vllm-openai:latest"


def find_versions(*profiles: ModelProfile) -> list[str | None]:
    return [fit.assessment.settings.vllm_version for fit in assess_profiles(profiles, get_gpu_choice())]


def start(version: str, **ran: Any) -> None:
    """An engine of another profile, whose log said its version."""
    sizes = serialise_sizes(EngineSizes(vllm_version=version))
    card = "NVIDIA GeForce RTX 3090"
    make_engine(make_slot(f"slot-{version}"), "other", spec=ran, actual=sizes, gpu_name=card)


def test_the_last_start_of_the_same_program_tells_the_version_that_its_tag_does_not() -> None:
    record()
    latest, started = save_profile("latest", image=LATEST), save_profile("started", runtime="process")
    tagged = save_profile("tagged", image=IMAGE)
    before = find_versions(latest, started, tagged)

    start("0.31.0", image=LATEST, runtime="docker")
    start("0.32.0", image=LATEST, runtime="docker")
    start("0.30.0", image="", runtime="process")
    start("0.29.0", image=IMAGE, runtime="docker")

    assert before == ["latest", None, "0.33.0"]
    assert find_versions(latest, started, tagged) == ["0.32.0", "0.30.0", "0.33.0"]


def test_the_report_says_that_it_goes_by_the_last_start() -> None:
    record()
    profile = save_profile("latest", image=LATEST)
    start("0.32.0", image=LATEST, runtime="docker")

    (fit,) = assess_profiles([profile], get_gpu_choice())

    assert fit.report.assumptions[0] == "vLLM 0.32.0, as at the last start"


def test_tags_that_say_it_cost_no_query(django_assert_num_queries: Any) -> None:
    record()
    profile, choice = save_profile(), get_gpu_choice()

    with django_assert_num_queries(1):
        assess_profiles([profile], choice)
