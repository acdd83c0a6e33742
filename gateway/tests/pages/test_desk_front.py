"""The front page of the operators' desk in a browser: models, switches, GPUs, and what keeps it live."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.needs import skip_loudly
from gateway.tests.pages.browsers import PHONE, Visitor, visiting
from gateway.tests.pages.test_choices import SWITCH_TIMEOUT_MS, running_switcher
from modelops.tests.hardware.stub import CompilerMissing, StubMachine, compile_stub

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, WebSocketRoute

pytestmark = pytest.mark.browser

LAPTOP = {"width": 1280, "height": 800}
NEWS_TIMEOUT_MS = 30_000


@pytest.fixture(scope="module")
def box(embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with a switcher that starts simulated engines; none of them serves at first."""
    folder = tmp_path_factory.mktemp("desk-box")
    with start_gateway(embedded_stores, folder, "") as gateway:
        gateway.manage("load_profiles")
        with running_switcher(gateway, folder / "switcher.log"):
            yield gateway


@pytest.fixture(scope="module")
def stub_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return compile_stub(tmp_path_factory.mktemp("desk-nvml"))
    except CompilerMissing as exc:
        skip_loudly("on made-up GPUs", exc)


@contextmanager
def at_the_desk(chromium: Browser, site: GatewayProcess) -> Iterator[Visitor]:
    with visiting(chromium, site.url) as visitor:
        visitor.sign_in("/admin/", "admin")
        expect(visitor.page.locator(".desk-feed")).to_have_attribute("data-feed", "live")
        yield visitor


@pytest.fixture
def operator(chromium: Browser, site: GatewayProcess) -> Iterator[Visitor]:
    with at_the_desk(chromium, site) as visitor:
        yield visitor


def press_switch(page: Page, profile: str) -> None:
    """Two clicks: the button of the profile's card, and its confirmation."""
    page.locator(f'[data-profile="{profile}"]').get_by_role("button", name="Switch").click()
    page.get_by_role("dialog").get_by_role("button", name=f"Switch to {profile}").click()


def served(page: Page, profile: str) -> Locator:
    return page.locator('[data-slot="default"]').get_by_role("heading", name=profile, exact=True)


def expect_served(page: Page, profile: str) -> None:
    expect(served(page, profile)).to_be_visible(timeout=SWITCH_TIMEOUT_MS)
    expect(page.locator(".desk-live")).to_have_count(0, timeout=SWITCH_TIMEOUT_MS)


def test_operator_switches_with_two_clicks_and_watches_it_go_live(
    chromium: Browser, box: GatewayProcess
) -> None:
    with at_the_desk(chromium, box) as operator, at_the_desk(chromium, box) as colleague:
        page = operator.page
        page.evaluate("window.isSamePage = true")

        press_switch(page, "simulated")

        live = page.locator(".desk-live")
        heading = live.get_by_role("heading", name="Switch from nothing to simulated")
        expect(heading).to_be_visible(timeout=NEWS_TIMEOUT_MS)
        expect(live).to_be_in_viewport()
        expect(live).to_be_focused()
        expect(live.get_by_role("progressbar", name="Progress")).to_be_visible()
        expect(colleague.page.locator(".desk-live")).to_be_visible(timeout=NEWS_TIMEOUT_MS)
        expect_served(page, "simulated")
        expect_served(colleague.page, "simulated")
        card = page.locator('[data-profile="simulated"]')
        expect(card.get_by_text("served", exact=True)).to_be_visible()
        expect(card.get_by_role("button", name="Switch")).to_have_count(0)
        expect(page.locator(".desk-recent li").first).to_contain_text("nothing → simulated")
        expect(page.locator(".desk-load .figure").first).to_be_visible(timeout=NEWS_TIMEOUT_MS)
        assert page.evaluate("window.isSamePage") is True


def test_operator_cancels_a_switch_with_the_keyboard_and_what_was_served_serves_again(
    chromium: Browser, box: GatewayProcess
) -> None:
    with at_the_desk(chromium, box) as operator:
        page = operator.page
        if not served(page, "simulated").is_visible():
            press_switch(page, "simulated")
            expect_served(page, "simulated")

        page.locator('[data-profile="simulated-large"]').get_by_role("button", name="Switch").press("Enter")
        confirm = page.get_by_role("dialog").get_by_role("button", name="Switch to simulated-large")
        expect(confirm).to_be_focused()
        page.keyboard.press("Enter")
        live = page.locator(".desk-live")
        expect(live).to_be_focused(timeout=NEWS_TIMEOUT_MS)
        for _stop in ("its heading", "the button"):
            page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Cancel this switch")).to_be_focused()
        page.keyboard.press("Enter")

        expect(live).to_have_count(0, timeout=SWITCH_TIMEOUT_MS)
        expect(page.get_by_role("heading", name="Last switches")).to_be_focused()
        newest = page.locator(".desk-recent li").first
        expect(newest).to_contain_text("simulated → simulated-large", timeout=SWITCH_TIMEOUT_MS)
        expect(newest.locator(".badge")).to_have_text("cancelled")
        expect_served(page, "simulated")


def test_switch_to_a_profile_that_does_not_fit_is_refused_in_place(
    chromium: Browser, box: GatewayProcess
) -> None:
    with at_the_desk(chromium, box) as operator:
        page = operator.page
        page.locator('[data-profile="llama3-70b-instruct"]').get_by_role("button", name="Switch").click()

        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".notice.is-error").first).to_be_visible()
        expect(dialog.get_by_role("button", name="Switch to llama3-70b-instruct")).to_be_disabled()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(page.locator(".desk-live")).to_have_count(0)


def sample(machine: StubMachine, site: GatewayProcess, *statements: str) -> None:
    machine.set_state(*statements)
    machine.manage("sample_hardware", "--once", environment=site.environment).check_returncode()


def test_lost_hot_and_occupied_cards_are_alarms_until_they_are_well(
    operator: Visitor, site: GatewayProcess, stub_library: Path, tmp_path: Path
) -> None:
    machine = StubMachine(stub_library, tmp_path / "gpus.txt")
    page, alarms = operator.page, operator.page.locator("[data-alarm]")

    sample(machine, site, "card 0 heat 92", "card 1 memory 24576 9000", "card 1 compute 4711 8600 blender")
    expect(page.locator('[data-alarm="gpu_hot"]')).to_contain_text(
        "GPU 0 is hot: 92 °C.", timeout=NEWS_TIMEOUT_MS
    )
    expect(page.locator('[data-alarm="memory_taken"]')).to_contain_text("blender (pid 4711)")
    expect(page.locator('[data-gpu="0"]').get_by_text("hot", exact=True)).to_be_visible()
    bar = page.locator('[data-gpu="1"]').get_by_role("img", name="Memory of GPU 1")
    expect(bar).to_have_accessible_name(re.compile("others and driver"))

    sample(machine, site, "card 1 broken 15")
    expect(page.locator('[data-alarm="gpu_lost"]')).to_contain_text("GPU 1 is lost", timeout=NEWS_TIMEOUT_MS)
    expect(alarms).to_have_count(1)
    expect(page.locator('[data-gpu="1"]').get_by_text("not usable")).to_be_visible()
    expect(page.get_by_role("link", name="See the GPUs")).to_have_attribute(
        "href", "/admin/modelops/hardwaresample/"
    )

    sample(machine, site)
    expect(alarms).to_have_count(0, timeout=NEWS_TIMEOUT_MS)


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_front_page_is_no_wider_than_the_screen(operator: Visitor, size: dict[str, int]) -> None:
    operator.page.set_viewport_size(size)  # type: ignore[arg-type]
    expect(operator.page.locator("[data-slot]")).to_be_visible()

    assert operator.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_without_sockets_the_same_comes_by_events_and_without_these_by_asking(
    chromium: Browser, site: GatewayProcess
) -> None:
    def refuse(socket: WebSocketRoute) -> None:
        socket.close()

    with visiting(chromium, site.url) as visitor:
        visitor.context.route_web_socket("**/ws/modelops/**", refuse)
        page = visitor.sign_in("/admin/", "admin")
        status = page.locator(".desk-feed")
        expect(status).to_have_attribute("data-way", "events", timeout=NEWS_TIMEOUT_MS)
        expect(page.locator("[data-slot]")).to_be_visible()

        visitor.context.route("**/api/models/desk/events*", lambda route: route.abort())
        page.reload()
        expect(status).to_have_attribute("data-way", "polling", timeout=NEWS_TIMEOUT_MS)
        expect(page.locator("[data-slot]")).to_be_visible()
        visitor.forgive("Failed to load resource")


def test_desk_says_that_it_is_behind_while_the_gateway_is_away_and_comes_back(
    chromium: Browser, embedded_stores: Stores, tmp_path: Path
) -> None:
    with start_gateway(embedded_stores, tmp_path, "") as gateway, at_the_desk(chromium, gateway) as operator:
        status = operator.page.locator(".desk-feed")

        gateway.kill()
        expect(status).to_have_attribute("data-feed", "behind")
        expect(status).to_contain_text("Last news at")
        gateway.start()

        expect(status).to_have_attribute("data-feed", "live", timeout=SWITCH_TIMEOUT_MS)
        for expected in ("WebSocket connection", "Failed to load resource"):
            operator.forgive(expected)


def test_desk_says_that_the_server_cannot_read_until_it_can(chromium: Browser, site: GatewayProcess) -> None:
    sockets: list[WebSocketRoute] = []
    usage = {"day": "2026-01-01", "requests": 5, "failed": 0, "users": 1}
    told = {"type": "desk", "parts": {"usage": usage | {"prompt_tokens": 1, "completion_tokens": 1}}}

    def greet(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.send(json.dumps(told))

    with visiting(chromium, site.url) as visitor:
        visitor.context.route_web_socket("**/ws/modelops/**", greet)
        page = visitor.sign_in("/admin/", "admin")
        status = page.locator(".desk-feed")
        expect(status).to_have_text("Live")

        sockets[0].send('{"type":"trouble","code":"not_read"}')
        sockets[0].send('{"type":"ping"}')
        expect(status).to_contain_text("The server cannot read how things are")
        expect(page.get_by_role("heading", name="Today")).to_be_visible()

        sockets[0].send(json.dumps(told))
        expect(status).to_have_text("Live")


def test_desk_of_an_ended_session_says_so(chromium: Browser, site: GatewayProcess) -> None:
    with at_the_desk(chromium, site) as operator:
        other_tab = operator.context.new_page()
        other_tab.goto(f"{site.url}/admin/")
        other_tab.locator("#desk-account summary").click()
        other_tab.get_by_role("button", name="Sign out").click()

        status = operator.page.locator(".desk-feed")
        expect(status).to_have_attribute("data-feed", "signed-out", timeout=NEWS_TIMEOUT_MS)
        expect(status.get_by_role("link", name="Sign in again")).to_be_visible()
