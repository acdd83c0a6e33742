"""What starts of other profiles on the same cards tell, from their rows to the faces of a profile's check."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from modelops.domain.engine_log.sizes import EngineSizes, serialise_sizes
from modelops.domain.fit.report import FitReport, serialise_learnt
from modelops.domain.fit.specs import GIB
from modelops.fit.profile_fits import assess_profiles, get_gpu_choice
from modelops.models import Engine, ModelProfile, Slot
from modelops.tests.fit_rows import record, save_profile, save_simulated
from modelops.tests.management.test_check_fit import run
from modelops.tests.serving.slot_rows import make_engine, make_slot

pytestmark = pytest.mark.django_db

CARD = "NVIDIA GeForce RTX 3090"
UUIDS = [f"GPU-0000000{index}-0000-0000-0000-000000000000" for index in range(2)]
OUTSIDE = round(0.61 * GIB)


@pytest.fixture
def slot() -> Slot:
    record()
    return make_slot()


def start(slot: Slot, profile: ModelProfile, told: dict[str, Any] | None = None, **changes: Any) -> Engine:
    sizes = {"tensor_parallel_size": 2, "max_model_len": 8192, "non_torch_bytes": OUTSIDE, **(told or {})}
    values = {
        "spec": profile.get_values(),
        "image": profile.image,
        "gpu_name": CARD,
        "gpus": UUIDS,
        "actual": serialise_sizes(EngineSizes(**{"vllm_version": "0.33.0", **sizes})),
    }
    return make_engine(slot, profile.slug, **{**values, **changes})


def check(slug: str) -> FitReport:
    (fit,) = assess_profiles([ModelProfile.objects.get(slug=slug)], get_gpu_choice())
    return fit.report


def find_fit(content: dict[str, Any], slug: str) -> dict[str, Any]:
    (found,) = [each["fit"] for each in content["profiles"] if each["id"] == slug]
    return dict(found)


def test_first_check_of_a_model_knows_what_others_measured_on_this_box(
    slot: Slot, web: Client, admin: Client, user: Client
) -> None:
    engine = start(slot, save_profile("first", tensor_parallel_size=2))
    save_profile("second", tensor_parallel_size=2, max_num_seqs=32)

    report = check("second")
    told = [find_fit(each.get("/api/models/profiles").json(), "second") for each in (admin, user)]
    page = web.get("/admin/modelops/modelprofile/fit/?profile=second").content.decode()
    _, printed = run("second")

    assert (report.non_torch_bytes, report.calibrated_from) == (OUTSIDE, None)
    (learnt,) = [serialise_learnt(each) for each in report.learnt]
    assert learnt["figure"] == "non_torch_bytes" and learnt["is_here"]
    assert [each.partition(" on ")[0] for each in learnt["engines"]] == [engine.name]
    assert told[0]["learnt"] == [learnt]
    assert told[1]["learnt"] == [learnt | {"engines": None}]
    for text in (page, printed):
        assert f"measured on this box: {engine.name} on " in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"gpu_name": "NVIDIA RTX A6000"}, {}),
        ({"gpus": ["GPU-of-another-box"]}, {}),
        ({"gpus": []}, {}),
        ({}, {"vllm_version": "0.32.0"}),
        ({}, {"tensor_parallel_size": 1}),
        ({}, {"is_wsl": True}),
        ({}, {"card_total_bytes": 48 * GIB}),
        ({"spec": {"slug": "first"}}, {}),
    ],
)
def test_what_ran_elsewhere_or_otherwise_teaches_nothing(
    slot: Slot, changes: dict[str, Any], told: dict[str, Any]
) -> None:
    start(slot, save_profile("first", tensor_parallel_size=2), told, **changes)
    save_profile("second", tensor_parallel_size=2)

    assert check("second").learnt == ()


def test_simulated_engines_and_other_links_teach_nothing_of_two_real_cards(slot: Slot) -> None:
    start(slot, save_simulated())
    linked = save_profile("first", tensor_parallel_size=2, extra_flags={"disable-custom-all-reduce": True})
    start(slot, linked)
    save_profile("second", tensor_parallel_size=2)
    save_profile("third", tensor_parallel_size=2, environment={"NCCL_P2P_DISABLE": "1"})

    assert check("second").learnt == ()
    assert check("third").non_torch_bytes == OUTSIDE


def test_an_engine_with_flags_that_the_check_does_not_know_tells_of_the_card_alone(slot: Slot) -> None:
    odd = save_profile("first", tensor_parallel_size=2, extra_flags={"num-gpu-blocks-override": 512})
    start(slot, odd, {"card_total_bytes": 24 * GIB, "start_free_bytes": round(23.7 * GIB)})
    save_profile("second", tensor_parallel_size=2)

    assert [each.figure for each in check("second").learnt] == ["context_bytes"]


def test_first_and_later_start_of_one_model_tell_what_compiling_takes_of_another(slot: Slot) -> None:
    first = save_profile("first", tensor_parallel_size=2)
    start(slot, first, {"is_cold": True, "available_kv_bytes": 9 * GIB})
    for _ in range(14):
        start(slot, first, {"is_cold": False, "available_kv_bytes": 10 * GIB})
    save_profile("second", tensor_parallel_size=2)

    report = check("second")

    assert report.kv_cache_bytes is not None and report.first_start_kv_cache_bytes is not None
    assert report.kv_cache_bytes - report.first_start_kv_cache_bytes == GIB
    assert "first_start_kv_cache_bytes" in [each.figure for each in report.learnt]
