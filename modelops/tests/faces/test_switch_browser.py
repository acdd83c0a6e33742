"""A switch by the admin's pages in a real Chromium; the test plays the switcher."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.conf import BASE_DIR
from gateway.tests.live import ADMIN_PASSWORD, GatewayProcess, start_gateway
from modelops.tests.faces.test_browser import browser_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

__all__ = ["browser_page"]  # a fixture

PREPARE = """
from modelops.tests.faces.switch_rows import make_ready, serve
make_ready("first", "second")
serve("first")
"""

PLAYER = """
import json, sys
from modelops.models import Switch
from modelops.tests.faces.switch_rows import advance, serve, write_log
for line in sys.stdin:
    step = json.loads(line)
    switch = Switch.objects.order_by("-pk").first()
    values = step.get("values", {})
    if "log" in step:
        values["new_engine"] = switch.new_engine or serve("second")
        write_log(values["new_engine"], *step["log"])
    advance(switch, step["state"], **values)
    print("done", flush=True)
"""


class SwitcherPlayer:
    """Writes rows on the gateway's database, from a process of its own as the switcher is."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", PLAYER],
            env=gateway.environment,
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def advance(self, state: str, *, log: list[str] | None = None, **values: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        step = {"state": state, "values": values} | ({"log": log} if log else {})
        self._process.stdin.write(json.dumps(step) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def close(self) -> None:
        self._process.communicate(timeout=20)


@pytest.fixture(scope="module")
def prepared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with start_gateway(tmp_path_factory.mktemp("switch"), "") as gateway:
        gateway.manage("shell", "--no-imports", "-c", PREPARE)
        yield gateway


@pytest.fixture
def switcher(prepared_gateway: GatewayProcess) -> Iterator[SwitcherPlayer]:
    player = SwitcherPlayer(prepared_gateway)
    yield player
    player.close()


def test_operator_switches_watches_it_advance_and_sees_it_end(
    browser_page: Page, prepared_gateway: GatewayProcess, switcher: SwitcherPlayer, tmp_path: Path
) -> None:
    page, shots = browser_page, Path(os.environ.get("GATEWAY_SCREENSHOTS", tmp_path))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    page.goto(f"{prepared_gateway.url}/admin/modelops/modelprofile/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", ADMIN_PASSWORD)
    page.click("input[type=submit]")
    row = page.locator("#result_list tbody tr", has=page.get_by_role("link", name="second", exact=True))
    row.locator("input.action-select").check()
    page.select_option("select[name=action]", label="Switch to this profile")
    page.get_by_role("button", name="Go").click()
    page.get_by_role("heading", name="Switch to second").wait_for()
    page.screenshot(path=shots / "1-confirm.png", full_page=True)
    page.fill("#id_reason", "trying it out")
    page.get_by_role("button", name="Switch to second").click()

    now, current = page.locator("#switch-now"), page.locator("ol.states li.current")
    now.get_by_text("Requested", exact=True).wait_for()
    switcher.advance("planned", detail="fetching weights")
    now.get_by_text("fetching weights").wait_for()
    switcher.advance("draining", detail="3 answers are still running")
    now.get_by_text("3 answers are still running").wait_for()
    assert page.get_by_role("button", name="Cancel this switch").is_visible()
    switcher.advance(
        "loading", log=["Loading <b>weights</b>"], phase="weights", percent=43, detail="shard 2 of 4"
    )
    now.get_by_text("43 %").wait_for()
    assert current.inner_text().startswith("loading")
    page.locator("#switch-log pre").get_by_text("Loading <b>weights</b>").wait_for()
    page.screenshot(path=shots / "2-loading.png", full_page=True)
    switcher.advance("active", phase="", detail="", percent=100)
    now.get_by_text("Active", exact=True).wait_for()
    page.get_by_role("button", name="Cancel this switch").wait_for(state="hidden")
    page.screenshot(path=shots / "3-active.png", full_page=True)

    page.goto(f"{prepared_gateway.url}/admin/modelops/switch/")
    listed = page.locator("#result_list tbody tr").first
    assert "first → second" in listed.inner_text()
    assert "trying it out" in listed.inner_text()
    page.screenshot(path=shots / "4-history.png", full_page=True)
    assert errors == []


def test_operator_cancels_and_reads_why_another_one_failed(
    browser_page: Page, prepared_gateway: GatewayProcess, switcher: SwitcherPlayer, tmp_path: Path
) -> None:
    page, shots = browser_page, Path(os.environ.get("GATEWAY_SCREENSHOTS", tmp_path))
    cause = {
        "code": "context_too_long",
        "message": "the KV cache cannot hold one request of the context 4,096.",
        "advice": "Try again with 2,048.",
        "evidence": "ValueError: To serve at least one request with the model's max seq len (4096)",
        "retry_max_model_len": 2048,
    }

    page.goto(f"{prepared_gateway.url}/admin/modelops/modelprofile/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", ADMIN_PASSWORD)
    page.click("input[type=submit]")
    page.get_by_role("link", name="first", exact=True).click()
    page.get_by_role("link", name="Switch to this profile").click()
    page.get_by_role("button", name="Switch to first").click()
    now = page.locator("#switch-now")
    now.get_by_text("Requested", exact=True).wait_for()
    switcher.advance("starting")
    now.get_by_text("Starting", exact=True).wait_for()
    page.get_by_role("button", name="Cancel this switch").click()
    now.get_by_text("admin asked for it to end.").wait_for()
    switcher.advance("rolling_back")
    now.get_by_text("Rolling back", exact=True).wait_for()
    switcher.advance("rolled_back", root_cause=cause, log_tail="INFO one\nERROR two")

    retry = page.get_by_role("link", name="Retry with max_model_len 2048")
    retry.wait_for()
    page.screenshot(path=shots / "5-failed.png", full_page=True)
    retry.click()
    page.get_by_text("--max-model-len 2048").wait_for()
    page.screenshot(path=shots / "6-retry.png", full_page=True)
