"""The admin's pages about models and hardware."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from django.test import Client

from accounts.models import User
from modelops.hardware import GpuProcess, GpuReading, HardwareProblem, ProblemCode
from modelops.models import HardwareProfile, ModelProfile
from modelops.profiles.reloading import reload_profiles
from modelops.tests.admin.admin_browser import FIT, HARDWARE, LIST, cells, form_data, page
from modelops.tests.domain.fit_examples import make_config
from modelops.tests.fit_rows import make_gpu_reading, record, save_large, save_profile

pytestmark = pytest.mark.django_db

SOME_ID = "01900000-0000-7000-8000-000000000000"
SCRIPT = "<script>alert(1)</script>"


def act(web: Client, action: str, *profiles: ModelProfile, **options: Any) -> Any:
    data = {"action": action, "_selected_action": [str(each.pk) for each in profiles]}
    return web.post(LIST, data, **options)


@pytest.mark.parametrize(
    "path",
    [
        LIST,
        FIT,
        HARDWARE,
        f"{LIST}find/",
        f"{LIST}reload/",
        f"{LIST}{SOME_ID}/apply/",
        "/admin/modelops/hardwareprofile/",
    ],
)
def test_pages_are_for_admins(path: str) -> None:
    plain = Client()
    plain.force_login(User.objects.create_user("mina", "mina@example.com"))

    for client in (Client(), plain):
        response = client.get(path)
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")


def test_list_shows_verdict_context_and_what_auto_became(web: Client) -> None:
    save_profile("twelve", config=make_config(num_hidden_layers=48))
    save_large(tensor_parallel_size=2)
    record()

    html = page(web, LIST)

    assert cells(html, "twelve")[:5] == ["twelve", "Twelve", "fits", "8,192", "2 (auto)"]
    assert cells(html, "large")[2:5] == ["does not fit", "0", "2"]
    assert "2 × NVIDIA GeForce RTX 3090" in html


@pytest.mark.parametrize("name", ["extra_flags", "environment"])
def test_form_shows_an_example_that_it_accepts(web: Client, name: str) -> None:
    path = f"{LIST}{save_profile('eight').pk}/change/"
    form = web.get(path).context["adminform"].form
    example = re.findall(r"\{.*\}", str(form.fields[name].help_text))[0]

    answer = web.post(path, form_data(web, path) | {name: example})

    assert answer.status_code == 302
    assert getattr(ModelProfile.objects.get(slug="eight"), name) == json.loads(example)


def test_list_can_be_about_planned_hardware(web: Client) -> None:
    save_large()
    record()
    HardwareProfile.objects.create(slug="quad", display_name="Four A100", gpu_name="A100 80GB", gpu_count=4)

    html = page(web, LIST, hardware="quad")

    assert cells(html, "large")[2] == "fits"
    assert "hardware profile quad" in html
    assert "There is no hardware profile" in page(web, LIST, hardware="none")


def test_list_says_so_while_nothing_has_read_the_gpus(web: Client) -> None:
    save_profile("eight")

    html = page(web, LIST)

    assert cells(html, "eight")[2] == "unknown"
    assert "no reading yet" in html


def test_list_shows_a_row_that_is_not_valid_any_more(web: Client) -> None:
    broken = save_profile("eight")
    ModelProfile.objects.filter(pk=broken.pk).update(dtype="int3")
    record()

    assert cells(page(web, LIST), "eight")[2] == "unknown"
    assert "dtype" in page(web, FIT, profile="eight")


def test_list_can_be_searched_and_filtered(web: Client) -> None:
    save_profile("eight")
    save_large(is_enabled=False)

    assert ">large</a>" not in page(web, LIST, q="maker/eight")
    assert ">eight</a>" not in page(web, LIST, is_enabled__exact="0")


def test_check_gpu_fit_leads_to_full_reports(web: Client) -> None:
    eight, large = save_profile("eight"), save_large()
    record()

    response = act(web, "check_gpu_fit", eight, large, follow=True)

    html = response.content.decode()
    assert response.redirect_chain[0][0].startswith(FIT)
    assert html.count('<div class="fit-report">') == 2
    for words in ("limited by weights", "KV cache", "What would help", "with --tensor-parallel-size 8"):
        assert words in html


def test_reports_can_be_about_planned_hardware(web: Client) -> None:
    save_large()
    HardwareProfile.objects.create(slug="quad", display_name="Four A100", gpu_name="A100 80GB", gpu_count=4)

    html = page(web, FIT, profile="large", hardware="quad")

    assert "fit-verdict fit-fits" in html
    assert '<option value="quad" selected>Four A100</option>' in html


@pytest.mark.parametrize("query", [{}, {"profile": "none"}, {"profile": "a\0b"}, {"hardware": "a\0b"}])
def test_report_page_without_a_profile_says_what_to_do(web: Client, query: dict[str, str]) -> None:
    assert "No profile was chosen" in page(web, FIT, **query)


def test_export_is_a_file_that_loads_back(web: Client) -> None:
    eight = save_profile("eight", description_ko="빠른 모델")
    save_large()

    response = act(web, "export_yaml", eight)

    assert response["Content-Disposition"] == 'attachment; filename="eight.yml"'
    (exported,) = yaml.safe_load(response.content)["profiles"]
    assert (exported["slug"], exported["description_ko"]) == ("eight", "빠른 모델")


def test_duplicate_leads_to_the_copy(web: Client) -> None:
    response = act(web, "duplicate", save_profile("eight"))

    copy = ModelProfile.objects.get(slug="eight-copy")
    assert response["Location"] == f"{LIST}{copy.pk}/change/"
    assert not copy.is_enabled


def test_duplicate_button_of_a_form_leads_to_the_copy_which_says_that_it_is_disabled(web: Client) -> None:
    eight = save_profile("eight")

    response = web.post(f"{LIST}{eight.pk}/duplicate/", follow=True)

    copy, text = ModelProfile.objects.get(slug="eight-copy"), response.content.decode()
    assert response.redirect_chain == [(f"{LIST}{copy.pk}/change/", 302)]
    assert "is a copy of eight. It is disabled" in text
    assert "This profile is disabled" in text
    assert web.get(f"{LIST}{eight.pk}/duplicate/").status_code == 405


def test_profile_that_cannot_be_copied_leads_back_to_its_form_with_the_reason(web: Client) -> None:
    broken = save_profile("broken")
    ModelProfile.objects.filter(pk=broken.pk).update(dtype="int3")

    response = web.post(f"{LIST}{broken.pk}/duplicate/", follow=True)

    assert response.redirect_chain == [(f"{LIST}{broken.pk}/change/", 302)]
    assert "The profile broken cannot be copied" in response.content.decode()
    assert ModelProfile.objects.count() == 1


def test_several_are_duplicated_at_once_and_a_broken_one_is_named(web: Client) -> None:
    eight, large, broken = save_profile("eight"), save_large(), save_profile("broken")
    ModelProfile.objects.filter(pk=broken.pk).update(dtype="int3")

    html = act(web, "duplicate", eight, large, broken, follow=True).content.decode()

    assert ModelProfile.objects.filter(slug__endswith="-copy").count() == 2
    assert "The profile broken cannot be copied: dtype: " in html


def test_report_is_shown_while_editing(web: Client) -> None:
    large = save_large()
    record()

    html = page(web, f"{LIST}{large.pk}/change/")

    assert "does not fit" in html
    assert "limited by weights" in html
    assert "Save the profile to see how it fits." in page(web, f"{LIST}add/")


def test_saving_unchanged_makes_no_drift(web: Client) -> None:
    reload_profiles()
    for profile in ModelProfile.objects.all():
        path = f"{LIST}{profile.pk}/change/"

        response = web.post(path, form_data(web, path))

        assert response.status_code == 302, response.context["adminform"].form.errors
        profile.refresh_from_db()
        assert profile.find_drift() == ()


def test_mistakes_stand_at_their_fields(web: Client) -> None:
    path = f"{LIST}{save_profile('eight').pk}/change/"
    wrong = {"max_model_len": "999999", "extra_flags": '{"trust-remote-code": true}'}

    first = web.post(path, form_data(web, path) | wrong).context["adminform"].form
    wrong.pop("extra_flags")
    second = web.post(path, form_data(web, path) | wrong).context["adminform"].form

    assert "has a field of its own: trust_remote_code" in str(first.errors["extra_flags"])
    assert "the model ends at 8192 positions" in str(second.errors["max_model_len"])


def test_nothing_that_rows_or_machines_say_becomes_markup(web: Client) -> None:
    profile = save_profile("eight", display_name=SCRIPT, description_en=SCRIPT)
    gpu = make_gpu_reading(0, used_mib=9000, processes=(GpuProcess(9, 8 << 30, SCRIPT),))
    problem = HardwareProblem(ProblemCode.GPU_LOST, SCRIPT, SCRIPT, 1)
    record(gpu, GpuReading(index=1, name=SCRIPT, problem=problem))

    for path in (LIST, f"{FIT}?profile=eight", HARDWARE, f"{LIST}{profile.pk}/change/"):
        html = web.get(path).content.decode()
        assert SCRIPT not in html
        assert "&lt;script&gt;alert(1)" in html
