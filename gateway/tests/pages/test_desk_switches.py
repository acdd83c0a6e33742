"""Switches at the operators' desk in a browser: why one failed, and what mends it, on simulated engines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.pages.browsers import Visitor, visiting
from gateway.tests.pages.test_accessibility import LOOKS, axe, findings
from gateway.tests.pages.test_choices import SWITCH_TIMEOUT_MS, running_switcher

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

__all__ = ["axe"]  # a fixture

CONTEXT_LIMITS = {"too-long": 512, "shorter": 2048}
"""What the simulated engine of a profile has memory for. Below 1,024 tokens nobody retries unasked."""

PREPARE = """
from modelops.models import ModelProfile
for slug, flags in {profiles!r}.items():
    ModelProfile.objects.create(
        slug=slug, display_name=slug, engine="simulator", runtime="process", max_model_len=8192,
        extra_flags=flags,
    )
"""

HOLDERS = """
from datetime import timedelta
from django.utils import timezone
from modelops.hardware.readings import GpuProcess, GpuReading, HardwareReading
from modelops.models import HardwareSample, Slot
processes = (
    GpuProcess(4711, 9 << 30, "python train.py --data /home/kim/experiments/a-long-name/run.yaml"),
    GpuProcess(812, 1 << 29, "/usr/lib/xorg/Xorg"),
)
# Newer than what the switcher reads here, where there is no card.
moment = timezone.now() + timedelta(hours=1)
reading = HardwareReading(moment, gpus=(GpuReading(0, "NVIDIA GeForce RTX 3090", processes=processes),))
HardwareSample.objects.create(host=Slot.objects.get().box_host, reading=reading.to_json(), taken_at=moment)
"""


def list_profiles() -> dict[str, dict[str, Any]]:
    quick = {"sim-startup-seconds": 0.5}
    fault = {**quick, "sim-fault": ["context_too_long_for_kv"]}
    return {
        "good": quick,
        "slow": {"sim-startup-seconds": 120},
        "occupied": {**quick, "sim-fault": ["gpu_occupied"]},
        **{slug: {**fault, "sim-limit": limit} for slug, limit in CONTEXT_LIMITS.items()},
    }


@pytest.fixture(scope="module")
def box(embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with a switcher, and profiles some of which cannot start as they are."""
    folder = tmp_path_factory.mktemp("switches")
    with start_gateway(embedded_stores, folder, "") as gateway:
        gateway.manage("shell", "--no-imports", "-c", PREPARE.format(profiles=list_profiles()))
        with running_switcher(gateway, folder / "switcher.log"):
            yield gateway


@pytest.fixture
def operator(chromium: Browser, box: GatewayProcess) -> Iterator[Visitor]:
    with visiting(chromium, box.url) as visitor:
        visitor.sign_in("/admin/modelops/switch/", "admin")
        yield visitor


def read_profile(box: GatewayProcess, slug: str) -> dict[str, Any]:
    exported: dict[str, Any] = json.loads(box.manage("export_profiles", slug, "--json"))
    (profile,) = exported["profiles"]
    return dict(profile)


def serve(box: GatewayProcess, slug: str) -> None:
    """Have it serve, before the browser looks."""
    box.manage("switch_model", slug)


def ask_for(page: Page, url: str, slug: str) -> None:
    """From the profile's page to the page of the switch, as an operator clicks."""
    page.goto(f"{url}/admin/modelops/modelprofile/?q={slug}")
    page.get_by_role("link", name=slug, exact=True).click()
    page.get_by_role("link", name="Switch to this profile").click()
    page.get_by_role("button", name=f"Switch to {slug}").click()
    page.get_by_role("heading", name=re.compile("^Switch: ")).wait_for()


def expect_badge(page: Page, text: str) -> None:
    expect(page.locator("#switch-state .badge")).to_have_text(text, timeout=SWITCH_TIMEOUT_MS)


def test_failed_switch_shows_its_cause_and_the_first_button_mends_it(
    operator: Visitor, box: GatewayProcess
) -> None:
    page = operator.page
    serve(box, "good")

    ask_for(page, box.url, "too-long")
    expect_badge(page, "Failed")
    expect(
        page.get_by_text("The switch to too-long failed; what served before serves again.")
    ).to_be_visible()
    expect(page.get_by_text("The KV cache cannot hold one request of 8,192 tokens.").first).to_be_visible()
    page.get_by_role("link", name="Retry with max_model_len 512 and keep it").click()
    expect(page.get_by_label("Keep max_model_len 512 in the profile")).to_be_checked()
    page.get_by_role("button", name="Switch to too-long").click()

    expect_badge(page, "Done")
    expect(page.get_by_text("too-long is active.")).to_be_visible()
    assert read_profile(box, "too-long")["max_model_len"] == 512


def test_last_failure_is_one_click_from_the_slots_with_what_mends_it(
    operator: Visitor, box: GatewayProcess
) -> None:
    page = operator.page
    box.manage("shell", "--no-imports", "-c", _set_context("too-long", 8192))
    serve(box, "good")
    ask_for(page, box.url, "too-long")
    expect_badge(page, "Failed")

    page.goto(f"{box.url}/admin/modelops/slot/")
    expect(page.get_by_role("link", name="Retry with max_model_len 512 and keep it")).to_be_visible()
    page.get_by_role("link", name="Why the switch to too-long failed").click()

    expect(page.get_by_role("heading", name="What can be done")).to_be_visible()
    page.get_by_role("link", name="Edit the profile").click()
    expect(page.locator("#id_max_model_len")).to_have_value("8192")


def test_card_that_others_hold_is_shown_with_who_holds_it(operator: Visitor, box: GatewayProcess) -> None:
    page = operator.page
    box.manage("shell", "--no-imports", "-c", HOLDERS)
    page.goto(f"{box.url}/admin/modelops/switch/{_find_switch(box, 'occupied')}/change/")

    expect(page.get_by_role("link", name="Free the card")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="4711")
    expect(row).to_contain_text("python train.py --data")
    expect(row).to_contain_text("9.00 GiB")


def test_shorter_context_is_in_the_headline_and_kept_by_one_click(
    operator: Visitor, box: GatewayProcess
) -> None:
    page = operator.page
    serve(box, "good")
    ask_for(page, box.url, "shorter")
    headline = "shorter is active with a shorter context: 2,048 tokens instead of 8,192."
    expect(page.get_by_text(headline)).to_be_visible(timeout=SWITCH_TIMEOUT_MS)

    page.get_by_role("button", name="Keep 2,048 tokens in the profile").click()

    expect(
        page.get_by_text("The profile shorter asks for 2,048 tokens of context from now on.")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Keep 2,048 tokens in the profile")).to_have_count(0)
    assert read_profile(box, "shorter")["max_model_len"] == 2048


def test_cancelled_switch_is_shown_as_cancelled_and_listed_as_such(
    operator: Visitor, box: GatewayProcess
) -> None:
    page = operator.page
    serve(box, "good")
    ask_for(page, box.url, "slow")
    expect_badge(page, "Loading")

    page.get_by_role("button", name="Cancel this switch").click()

    expect_badge(page, "Cancelled")
    expect(
        page.get_by_text("admin cancelled the switch to slow; what served before serves again.")
    ).to_be_visible()
    expect(page.get_by_role("heading", name="Cause", exact=True)).to_have_count(0)
    rows = page.locator("#result_list tbody tr")
    page.goto(f"{box.url}/admin/modelops/switch/")
    page.locator("#changelist-filter").get_by_role("link", name="cancelled").click()
    expect(rows.filter(has_text="good → slow")).to_have_count(1)
    page.locator("#changelist-filter").get_by_role("link", name="failed", exact=True).click()
    expect(rows.filter(has_text="good → slow")).to_have_count(0)


def test_log_is_followed_searched_and_downloaded_while_the_engine_starts(
    operator: Visitor, box: GatewayProcess, tmp_path: Path
) -> None:
    page = operator.page
    serve(box, "good")
    ask_for(page, box.url, "slow")
    log = page.locator("#switch-log pre")
    page.evaluate("window.isSamePage = true")

    expect(log).to_contain_text("Using max model len 8192", timeout=SWITCH_TIMEOUT_MS)
    expect(log).to_contain_text("Starting to load model slow", timeout=SWITCH_TIMEOUT_MS)
    assert page.evaluate("window.isSamePage") is True
    page.get_by_label("Find in the log").fill("MAX MODEL LEN")
    expect(log.locator("mark")).to_have_text("max model len")
    expect(log).not_to_contain_text("Starting to load model slow")
    page.get_by_label("Find in the log").fill("no such words")
    expect(page.get_by_text("0 lines have “no such words”.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "engine.log")
    page.get_by_role("button", name="Cancel this switch").click()
    expect_badge(page, "Cancelled")

    text = (tmp_path / "engine.log").read_text()
    assert download.value.suggested_filename.startswith("switch-slow-")
    assert "Using max model len 8192" in text
    assert "Starting to load model slow" in text


@pytest.mark.parametrize("look", LOOKS)
def test_pages_of_switches_have_no_serious_finding_and_fit_the_screen(
    chromium: Browser, box: GatewayProcess, axe: str, look: dict[str, Any]
) -> None:
    box.manage("shell", "--no-imports", "-c", HOLDERS)
    failed = [_find_switch(box, slug) for slug in ("too-long", "occupied")]
    paths = [*(f"switch/{each}/change/" for each in failed), "switch/", "slot/", "engine/"]

    with visiting(chromium, box.url, reduced_motion="reduce", **look) as operator:
        page = operator.sign_in("/admin/modelops/switch/", "admin")
        for path in paths:
            page.goto(f"{box.url}/admin/modelops/{path}")
            beyond = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )

            assert findings(page, axe) == [], path
            assert beyond <= 0, path


def _set_context(slug: str, length: int) -> str:
    return (
        "from modelops.models import ModelProfile\n"
        f"ModelProfile.objects.filter(slug={slug!r}).update(max_model_len={length})"
    )


def _find_switch(box: GatewayProcess, slug: str) -> str:
    """The newest one that failed; one is made where there is none."""
    with box.client("admin") as client:
        path = f"/api/models/switches?profile={slug}&state=rolled_back"
        if not client.get(path).json()["data"]:
            box.manage("shell", "--no-imports", "-c", _set_context(slug, 8192))
            serve(box, "good")
            client.post("/api/models/switch", json={"profile_id": slug}).raise_for_status()
            _wait_for_end(client)
        found: str = client.get(path).json()["data"][0]["id"]
        return found


def _wait_for_end(client: Any) -> None:
    wait_until(
        lambda: not client.get("/api/models/switches?limit=1").json()["data"][0]["is_live"],
        timeout_s=SWITCH_TIMEOUT_MS / 1000,
        what="the switch to end",
    )
