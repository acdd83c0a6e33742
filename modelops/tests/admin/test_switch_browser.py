"""A switch by the admin's pages in a real Chromium; the test plays the switcher."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.tests.databases import ADMIN_PASSWORD, Stores
from gateway.tests.forked import start_python
from gateway.tests.live import GatewayProcess, start_gateway
from modelops.simulator.process import start_simulator
from modelops.tests.admin.test_browser import browser_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

__all__ = ["browser_page"]  # a fixture

PREPARE = """
from modelops.tests.switch_rows import make_ready, serve
make_ready("first", "second")
engine = serve("first")
engine.base_url = {url!r}
engine.save()
"""

LONG_ROWS = """
from modelops.domain.switching.states import SwitchState
from modelops.models import Engine, Switch
from modelops.switching.slots import get_slot
from modelops.tests.switch_rows import CAUSE
from modelops.tests.serving.slot_rows import make_engine, make_switch
engine = make_engine(get_slot(), "deepseek-coder-6.7b-instruct-awq")
sizes = {"weights_bytes": 15 << 30, "kv_cache_bytes": 14 << 30, "kv_cache_tokens": 1234567}
actual = {"weights_bytes": 16 << 30, "available_kv_bytes": 13 << 30, "kv_cache_tokens": 1234567}
Engine.objects.filter(pk=engine.pk).update(estimate=sizes, actual=actual, max_model_len=131072)
words = "the KV cache cannot hold one request of the context 131,072. " * 3
make_switch(
    get_slot(), engine, "qwen2.5-coder-32b-instruct-awq", SwitchState.ROLLED_BACK,
    ended_at=engine.ready_at, reason=words, actor_name="kim (shell)", root_cause=CAUSE | {"message": words},
)
"""

PLAYER = """
import json, sys
from modelops.models import Gate, Switch
from modelops.tests.switch_rows import advance, serve, write_log
from modelops.tests.serving.slot_rows import move_gate
for line in sys.stdin:
    step = json.loads(line)
    switch = Switch.objects.order_by("-pk").first()
    values = step.get("values", {})
    if "log" in step:
        values["new_engine"] = switch.new_engine or serve("second")
        write_log(values["new_engine"], *step["log"])
    advance(switch, step["state"], **values)
    if step["state"] == "draining":
        move_gate(switch.slot, Gate.CLOSED)
    print("done", flush=True)
"""


class SwitcherPlayer:
    """Writes rows on the gateway's database, from a process of its own as the switcher is."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._process = start_python(
            *("manage.py", "shell", "--no-imports", "-c", PLAYER),
            environment=gateway.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def advance(self, state: str, *, log: list[str] | None = None, **values: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        step = {"state": state, "values": values} | ({"log": log} if log else {})
        self._process.stdin.write(json.dumps(step) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def prepared_gateway(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    slow = start_simulator("--served-model-name", "first", "--sim-tokens-per-second", "5")
    with slow as engine, start_gateway(stores, tmp_path_factory.mktemp("switch"), "") as gateway:
        gateway.manage("shell", "--no-imports", "-c", PREPARE.format(url=engine.base_url))
        yield gateway


@pytest.fixture
def switcher(prepared_gateway: GatewayProcess) -> Iterator[SwitcherPlayer]:
    player = SwitcherPlayer(prepared_gateway)
    yield player
    player.close()


@contextmanager
def answers_running(gateway: GatewayProcess, count: int) -> Iterator[list[ExitStack]]:
    """Answers that run until they are closed, or for a minute and more."""
    body = {"model": "current", "messages": [{"role": "user", "content": "x"}], "stream": True}
    body |= {"max_tokens": 400, "min_tokens": 400}
    with gateway.client() as client, ExitStack() as everything:
        answers = [everything.enter_context(ExitStack()) for _ in range(count)]
        for answer in answers:
            started = answer.enter_context(client.stream("POST", "/v1/chat/completions", json=body))
            assert started.status_code == 200
        yield answers


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

    now, current = page.locator("#switch-page"), page.locator("#switch-steps tr[aria-current=step]")
    now.get_by_text("Requested", exact=True).wait_for()
    switcher.advance("planned", detail="fetching weights")
    now.get_by_text("fetching weights").wait_for()
    with answers_running(prepared_gateway, 3) as answers:
        switcher.advance("draining")
        now.get_by_text("3 answers are still running").wait_for()
        page.screenshot(path=shots / "1-draining.png", full_page=True)
        answers[0].close()
        now.get_by_text("2 answers are still running").wait_for()
    now.get_by_text("no answers are still running").wait_for()
    assert page.get_by_role("button", name="Cancel this switch").is_visible()
    switcher.advance(
        "loading", log=["Loading <b>weights</b>"], phase="weights", percent=43, detail="shard 2 of 4"
    )
    now.get_by_text("43 %").wait_for()
    assert current.inner_text().startswith("loading")
    page.locator("#switch-log pre").get_by_text("Loading <b>weights</b>").wait_for()
    page.screenshot(path=shots / "2-loading.png", full_page=True)
    switcher.advance("active", phase="", detail="", percent=100)
    now.get_by_text("Done", exact=True).wait_for()
    page.get_by_role("button", name="Cancel this switch").wait_for(state="hidden")
    page.screenshot(path=shots / "3-active.png", full_page=True)

    page.goto(f"{prepared_gateway.url}/admin/modelops/switch/")
    listed = page.locator("#result_list tbody tr").first
    assert "first → second" in listed.inner_text()
    assert "trying it out" in listed.inner_text()
    page.screenshot(path=shots / "4-history.png", full_page=True)
    assert errors == []


@pytest.mark.parametrize("path", ["switch", "engine"])
def test_lists_stand_on_a_small_screen_with_all_their_columns(
    browser_page: Page, prepared_gateway: GatewayProcess, path: str
) -> None:
    page = browser_page
    prepared_gateway.manage("shell", "--no-imports", "-c", LONG_ROWS)
    page.set_viewport_size({"width": 1280, "height": 800})

    page.goto(f"{prepared_gateway.url}/admin/modelops/{path}/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", ADMIN_PASSWORD)
    page.click("input[type=submit]")
    results = page.locator("#changelist .results")
    results.wait_for()

    assert results.evaluate("list => list.scrollWidth - list.clientWidth") <= 0


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
    now = page.locator("#switch-page")
    now.get_by_text("Requested", exact=True).wait_for()
    switcher.advance("starting")
    now.get_by_text("Starting", exact=True).wait_for()
    page.get_by_role("button", name="Cancel this switch").click()
    now.get_by_text("admin asked for it to end.").wait_for()
    switcher.advance("rolling_back")
    now.get_by_text("Rolling back", exact=True).wait_for()
    switcher.advance("rolled_back", root_cause=cause, log_tail="INFO one\nERROR two")

    retry = page.get_by_role("link", name="Retry with max_model_len 2,048 and keep it")
    retry.wait_for()
    page.screenshot(path=shots / "5-failed.png", full_page=True)
    retry.click()
    page.get_by_text("--max-model-len 2048").wait_for()
    page.screenshot(path=shots / "6-retry.png", full_page=True)
