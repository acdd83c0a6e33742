"""The admin's model pages in a real Chromium, on a real gateway process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.tests.databases import ADMIN_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.needs import CHROMIUM_ARGUMENTS, NeedMissing, find_chromium, skip_loudly

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

RECORD_READING = "from modelops.tests.fit_rows import record; record()"


@pytest.fixture(scope="module")
def seeded_gateway(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with the seeded profiles and one reading of two RTX 3090s; its engine is never asked."""
    with start_gateway(stores, tmp_path_factory.mktemp("browser"), "http://127.0.0.1:9") as gateway:
        gateway.manage("load_profiles")
        gateway.manage("shell", "--no-imports", "-c", RECORD_READING)
        yield gateway


@pytest.fixture
def browser_page() -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    try:
        executable = find_chromium()
    except NeedMissing as exc:
        skip_loudly("in a browser", exc)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        try:
            yield browser.new_page(viewport={"width": 1400, "height": 900})
        finally:
            browser.close()


def test_operator_signs_in_sees_the_verdicts_and_reads_a_report(
    browser_page: Page, seeded_gateway: GatewayProcess, tmp_path: Path
) -> None:
    page, errors = browser_page, []
    page.on("pageerror", lambda error: errors.append(str(error)))

    page.goto(f"{seeded_gateway.url}/admin/modelops/modelprofile/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", ADMIN_PASSWORD)
    page.click("input[type=submit]")
    row = page.locator("#result_list tbody tr", has=page.get_by_role("link", name="qwen2-7b-instruct"))
    row.wait_for()
    assert page.locator("#result_list tbody tr .fit-verdict").count() >= 12
    assert row.locator(".field-verdict").inner_text().strip().endswith("fits")
    assert row.locator(".field-tensor_parallel").inner_text() == "1 (auto)"

    row.locator("input.action-select").check()
    page.select_option("select[name=action]", label="Check GPU fit")
    page.get_by_role("button", name="Go").click()
    report = page.locator(".fit-report")
    report.wait_for()
    assert page.get_by_role("heading", name="qwen2-7b-instruct").is_visible()
    for words in ("weights", "KV cache", "largest context that fits", "32,768 tokens"):
        assert report.locator("table").get_by_text(words).first.is_visible()

    page.select_option("#hardware", label="1 × RTX 3090")
    page.get_by_role("button", name="Check").click()
    report.get_by_text("hardware profile single-3090").wait_for()
    page.screenshot(path=tmp_path / "report.png", full_page=True)
    assert errors == []
