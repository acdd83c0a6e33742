"""Suggestions of the fit check: shown as a diff, saved as shown, or not at all."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent
from gateway.errors import InvalidRequest
from modelops.models import HardwareProfile, ModelProfile
from modelops.profiles.changing import apply_change, get_version
from modelops.tests.admin.admin_browser import FIT, LIST, page
from modelops.tests.domain.fit_examples import make_config
from modelops.tests.fit_rows import record, save_large, save_profile

pytestmark = pytest.mark.django_db

POSITIONS = 131072
LONG: dict[str, Any] = {
    "max_model_len": POSITIONS,
    "tensor_parallel_size": 1,
    "config": make_config(max_position_embeddings=POSITIONS),
}


def apply_path(profile: ModelProfile) -> str:
    return f"{LIST}{profile.pk}/apply/"


def list_offers(html_text: str, profile: ModelProfile) -> list[str]:
    """The addresses of the suggestions' buttons."""
    return [html.unescape(each) for each in re.findall(rf'href="({apply_path(profile)}\?[^"]+)"', html_text)]


def confirm(web: Client, path: str, button: str = "save", **options: Any) -> Any:
    """Open the preview and press one of its buttons, as a browser would."""
    version = web.get(path).context["version"]
    return web.post(path, {"version": version, button: ""}, **options)


def test_report_draws_the_memory_of_each_gpu_with_its_figures(web: Client) -> None:
    save_profile("eight", tensor_parallel_size=2)
    record()

    report = page(web, FIT, profile="eight")

    assert report.count('<svg class="bar"') == 2
    assert re.search(r'aria-label="Other processes [\d.]+ GiB, Weights [\d.]+ GiB, ', report)
    assert "GPU 1: NVIDIA GeForce RTX 3090" in report
    assert "style=" not in report.partition('<div class="fit-report">')[2]


def test_what_is_missing_is_said_where_the_weights_are_larger_than_the_card(web: Client) -> None:
    save_large(tensor_parallel_size=2)
    record()

    report = page(web, FIT, profile="large")

    assert re.search(r"[\d.]+ GiB missing", report)
    assert report.count('class="card-edge"') == 2


def test_every_setting_that_is_suggested_leads_to_a_preview_that_runs(web: Client) -> None:
    long = save_profile("long", **LONG)
    record()

    offers = list_offers(page(web, FIT, profile="long"), long)
    previews = [web.get(each) for each in offers]

    assert len(offers) >= 3
    for preview in previews:
        assert preview.context["lines"]
        assert preview.context["after"].report.is_runnable
    long.refresh_from_db()
    assert long.max_model_len == POSITIONS


def test_suggestion_is_saved_as_it_was_shown_and_is_on_record(web: Client) -> None:
    long = save_profile("long", **LONG)
    record()
    (path,) = [each for each in list_offers(page(web, FIT, profile="long"), long) if "?max_model_len" in each]

    response = confirm(web, path, follow=True)

    long.refresh_from_db()
    length = long.max_model_len
    assert length is not None and length < POSITIONS
    event = AuditEvent.objects.get(action="modelprofile_changed")
    assert event.changes == {"max_model_len": [POSITIONS, length]}
    text = response.content.decode()
    assert f"Saved long: max_model_len: {LONG['max_model_len']} → {length}." in text
    assert "fit-does_not_fit" not in text


def test_applying_and_switching_goes_on_to_the_plan(web: Client) -> None:
    long = save_profile("long", **LONG)
    record()

    response = confirm(web, f"{apply_path(long)}?max_model_len=4096", "switch")

    long.refresh_from_db()
    assert long.max_model_len == 4096
    assert response["Location"] == f"{LIST}{long.pk}/switch/"


def test_profile_that_was_changed_meanwhile_is_left_as_it_is(web: Client) -> None:
    long = save_profile("long", **LONG)
    record()
    path = f"{apply_path(long)}?max_model_len=4096"
    version = web.get(path).context["version"]
    long.max_model_len = 8192
    long.save()

    response = web.post(path, {"version": version, "save": ""})

    assert response.status_code == 409
    assert "changed meanwhile" in response.content.decode()
    long.refresh_from_db()
    assert long.max_model_len == 8192
    assert not AuditEvent.objects.filter(action="modelprofile_changed").exists()


@pytest.mark.parametrize("query", ["max_model_len=4", "max_model_len=x", "dtype=%22int3%22"])
def test_value_that_a_profile_cannot_have_is_refused_with_the_reason(web: Client, query: str) -> None:
    long = save_profile("long", **LONG)
    record()

    seen = web.get(f"{apply_path(long)}?{query}")
    sent = web.post(f"{apply_path(long)}?{query}", {"version": get_version(long)})

    assert (seen.status_code, sent.status_code) == (400, 400)
    assert query.partition("=")[0] in seen.content.decode()
    long.refresh_from_db()
    assert (long.max_model_len, long.dtype) == (POSITIONS, "auto")


def test_settings_that_are_not_about_memory_cannot_be_changed_this_way(web: Client) -> None:
    long = save_profile("long", **LONG)
    record()

    seen = page(web, apply_path(long), image='"other/image:1"')
    with pytest.raises(InvalidRequest):
        apply_change(long.pk, {"image": "other/image:1"}, version=get_version(long), request=None)

    assert "nothing to change" in seen


def test_preview_is_about_the_hardware_that_was_asked_about(web: Client) -> None:
    long = save_profile("long", **LONG)
    HardwareProfile.objects.create(slug="quad", display_name="Four A100", gpu_name="A100 80GB", gpu_count=4)

    (line,) = [
        each
        for each in page(web, apply_path(long), max_model_len="4096", hardware="quad").splitlines()
        if "Verdicts are for" in each
    ]

    assert "A100" in line


def test_words_of_the_preview_are_korean_for_who_reads_korean(web: Client) -> None:
    long = save_profile("long", **LONG)
    record()

    text = web.get(
        f"{apply_path(long)}?max_model_len=4096", headers={"accept-language": "ko"}
    ).content.decode()

    assert "적용하고 전환" in text


def test_suggestions_follow_the_aim_that_was_chosen_and_stand_below_the_figures(web: Client) -> None:
    save_profile("long", **{**LONG, "max_model_len": 16384})
    record()

    report = page(web, FIT, profile="long", aim="context")

    order = ["fit-verdict", 'class="bar-band"', "largest context that fits", "For the longest context"]
    places = [report.rindex(words) for words in order]
    assert places == sorted(places)
    assert '<option value="context" selected>' in report
    assert "Use this: --tensor-parallel-size 2 --max-model-len 131072" in report
    assert "full requests at once instead of" in report


def test_flag_of_a_suggestion_is_put_among_those_of_the_profile(web: Client) -> None:
    long = save_profile("long", **LONG, extra_flags={"async-scheduling": True})
    record()

    confirm(web, f"{apply_path(long)}?language_model_only=true")

    long.refresh_from_db()
    assert long.extra_flags == {"async-scheduling": True, "language-model-only": True}
