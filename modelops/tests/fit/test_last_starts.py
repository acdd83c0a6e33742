"""What earlier starts measured, from their rows to the fit check and its faces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.tokens import issue_pair
from modelops.domain.engine_log.sizes import EngineSizes, serialise_sizes
from modelops.domain.fit.measured_run import serialise_estimate
from modelops.domain.fit.specs import GIB
from modelops.fit.last_starts import MEASURED_STARTS_PER_PROFILE
from modelops.fit.profile_fits import (
    ProfileFit,
    assess_profiles,
    check_profile,
    check_profiles,
    get_gpu_choice,
)
from modelops.models import Engine, ModelProfile, Slot
from modelops.tests.fit_rows import record, save_profile, save_simulated
from modelops.tests.serving.slot_rows import make_engine, make_slot
from modelops.tests.switch_rows import announce_switcher, ask

pytestmark = pytest.mark.django_db

CARD = "NVIDIA GeForce RTX 3090"


@pytest.fixture
def slot() -> Slot:
    record()
    return make_slot()


def start(slot: Slot, profile: ModelProfile, sizes: EngineSizes | None = None, **changes: Any) -> Engine:
    """An engine of the profile as it is now, which told `sizes`."""
    told = sizes or EngineSizes(
        tensor_parallel_size=2,
        max_model_len=8192,
        weights_bytes=round(7.6 * GIB),
        available_kv_bytes=round(11.5 * GIB),
    )
    values = {"spec": profile.get_values(), "gpu_name": CARD, "actual": serialise_sizes(told)}
    return make_engine(slot, profile.slug, **{**values, **changes})


def check(profile: ModelProfile) -> ProfileFit:
    (fit,) = assess_profiles([profile], get_gpu_choice())
    return fit


def test_second_check_goes_by_what_the_first_start_measured(slot: Slot) -> None:
    profile = save_profile(tensor_parallel_size=2)
    before = check(profile)

    engine = start(slot, profile)

    after = check(profile)
    assert before.report.calibrated_from is None and before.last_start is None
    assert after.report.kv_cache_bytes == round(11.5 * GIB)
    assert after.report.weights_bytes == round(7.6 * GIB)
    assert after.report.calibrated_from is not None and engine.name in after.report.calibrated_from
    assert check_profile(profile, get_gpu_choice()).report.kv_cache_bytes == round(11.5 * GIB)


def test_start_on_two_cards_says_nothing_of_the_one_card_that_is_chosen_now(slot: Slot) -> None:
    profile = save_profile()
    start(slot, profile)

    fit = check(profile)

    assert fit.assessment.settings.tensor_parallel_size == 1
    assert fit.report.calibrated_from is None
    assert fit.last_start is not None


def test_newest_start_on_these_cards_with_these_settings_counts(slot: Slot) -> None:
    profile = save_profile(tensor_parallel_size=2)
    good = start(slot, profile)
    start(slot, profile, gpu_name="NVIDIA RTX A6000")
    start(slot, profile, spec={**profile.get_values(), "image": "vllm/vllm-openai:v0.32.0"})
    start(slot, profile, actual=None)

    fit = check(profile)

    assert fit.last_start is not None and fit.last_start.engine == good.name


def test_edited_profile_is_computed_anew(slot: Slot) -> None:
    profile = save_profile(tensor_parallel_size=2)
    start(slot, profile)
    profile.max_num_seqs = 16
    profile.save()

    assert check(profile).report.calibrated_from is None


def test_only_the_last_starts_are_read_however_many_there_were(
    slot: Slot, django_assert_num_queries: Any
) -> None:
    profiles = [save_profile(f"p{number}", tensor_parallel_size=2) for number in range(3)]
    for profile in profiles:
        for _ in range(MEASURED_STARTS_PER_PROFILE + 2):
            newest = start(slot, profile)
    choice = get_gpu_choice()

    with django_assert_num_queries(1):
        fits = check_profiles(profiles, choice)

    assert all(fit.report.calibrated_from for fit in fits)
    assert fits[-1].last_start is not None and fits[-1].last_start.engine == newest.name


def test_simulated_engine_shows_what_its_log_told(slot: Slot) -> None:
    profile = save_simulated()
    sizes = EngineSizes(tensor_parallel_size=1, max_model_len=4096, kv_cache_tokens=46256)
    start(slot, profile, sizes, gpu_name="")

    fit = check(profile)

    assert fit.last_start is not None and fit.last_start.actual["kv_cache_tokens"] == 46256
    assert fit.report.calibrated_from is None


def find_profile(content: Mapping[str, Any], slug: str) -> dict[str, Any]:
    (found,) = [each for each in content["profiles"] if each["id"] == slug]
    return dict(found)


def test_api_and_admin_show_estimate_beside_measurement(slot: Slot, web: Client) -> None:
    profile = save_profile(tensor_parallel_size=2)
    estimate = serialise_estimate(check(profile).report)
    engine = start(slot, profile, estimate=estimate)
    token = issue_pair(User.objects.get()).access_token
    client = Client(headers={"Authorization": f"Bearer {token}"})

    fit = find_profile(client.get("/api/models/profiles").json(), profile.slug)["fit"]
    page = web.get(f"/admin/modelops/modelprofile/{profile.pk}/change/").content.decode()

    assert fit["calibrated_from"].startswith(engine.name)
    assert fit["last_start"]["engine"] == engine.name
    assert fit["last_start"]["actual"]["kv_cache_bytes"] == round(11.5 * GIB)
    assert fit["last_start"]["estimate"]["kv_cache_bytes"] == estimate["kv_cache_bytes"]
    assert f"Last good start: {engine.name}" in page
    assert "11.50 GiB" in page


def test_name_of_the_engine_that_was_measured_is_for_admins(slot: Slot, user: Client, admin: Client) -> None:
    announce_switcher()
    profile = save_profile(tensor_parallel_size=2)
    engine = start(slot, profile)
    switch = ask(profile.slug)
    paths = [
        "/api/models/profiles",
        "/api/models/hardware-recommendations",
        f"/api/models/switches/{switch.pk}",
    ]

    told = [(user.get(path), admin.get(path)) for path in paths]

    for to_user, to_admin in told:
        assert (to_user.status_code, to_admin.status_code) == (200, 200)
        assert engine.name not in to_user.content.decode()
        assert engine.name in to_admin.content.decode()
    fit = told[2][0].json()["plan"]["fit"]
    assert fit["last_start"]["engine"] is None
    assert fit["last_start"]["actual"]["kv_cache_bytes"] == round(11.5 * GIB)
    assert fit["calibrated_from"] == fit["last_start"]["started_at"]
