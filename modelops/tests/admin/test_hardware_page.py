"""The admin's hardware page."""

from __future__ import annotations

import pytest
from django.test import Client

from modelops.admin.fit_pages import draw_curve
from modelops.hardware import GpuProcess, HardwareProblem, HardwareReading, ProblemCode
from modelops.hardware.sampling import record_reading
from modelops.tests.admin.admin_browser import HARDWARE, LIST, cells, page
from modelops.tests.fit_rows import make_gpu_reading, make_reading, record, save_profile

pytestmark = pytest.mark.django_db


def test_hardware_page_shows_the_newest_reading_its_past_and_its_problems(web: Client) -> None:
    for age_s in (30.0, 20.0, 10.0):
        record(make_gpu_reading(0, used_mib=int(1000 * age_s)), age_s=age_s)
    trainer = GpuProcess(4321, 10_240 << 20, "trainer")
    record(make_gpu_reading(0, used_mib=10_540, processes=(trainer,)))

    html = page(web, HARDWARE)

    for words in (
        "NVIDIA GeForce RTX 3090",
        "10.29 GiB of 24.00 GiB",
        "driver 570.124.06",
        "last 4 readings",
    ):
        assert words in html
    assert html.count("<polyline") == 2
    assert "trainer (pid 4321)" in html and "End these processes" in html


def test_hardware_page_is_read_in_korean(web: Client) -> None:
    trainer = GpuProcess(4321, 10_240 << 20, "trainer")
    record(make_gpu_reading(0, used_mib=9_000), age_s=10.0)
    record(make_gpu_reading(0, used_mib=10_540, processes=(trainer,)))

    answer = web.get(HARDWARE, headers={"accept-language": "ko"})

    html = answer.content.decode()
    for words in (
        "24.00 GiB 중 10.29 GiB",
        "드라이버 570.124.06",
        "온도",
        "다른 프로그램",
        'aria-label="부하"',
    ):
        assert words in html
    for words in ("Home", "Temperature", "Processes", "not ours", "Profiles"):
        assert f">{words}<" not in html


def test_hardware_page_of_a_machine_without_a_driver_tells_what_to_do(web: Client) -> None:
    problem = HardwareProblem(ProblemCode.NO_GPU, "The driver sees no GPU.", "Check with `lspci`.")
    record_reading(HardwareReading(make_reading().taken_at, problem=problem), host="box")
    save_profile("eight")

    html = page(web, HARDWARE)

    assert "The driver sees no GPU." in html and "Check with `lspci`." in html
    assert cells(page(web, LIST), "eight")[2] == "does not fit"


def test_hardware_page_before_any_reading_tells_what_to_start(web: Client) -> None:
    assert "manage.py sample_hardware" in page(web, HARDWARE)


def test_hardware_page_is_reachable_from_the_front_page(web: Client) -> None:
    assert f'href="{HARDWARE}"' in page(web, "/admin/")


def test_samples_cannot_be_changed_by_hand(web: Client) -> None:
    assert web.get(f"{HARDWARE}add/").status_code == 403


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ([0.0, 50.0, 100.0], "0.0,36.0 80.0,18.0 160.0,0.0"),
        ([0.0, None, 200.0], "0.0,36.0 160.0,0.0"),
        ([1.0], ""),
        ([], ""),
    ],
)
def test_curve_goes_from_the_oldest_value_to_the_newest(values: list[float | None], points: str) -> None:
    assert draw_curve(values, 100) == points
