"""What is around the list and the thread, in a browser: theme, drawer, dialogs, links, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.pages.browsers import PHONE, Visitor, visiting
from gateway.tests.pages.conversation_rows import add, choose, empty_account, row

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _empty_account(site: GatewayProcess) -> Iterator[None]:
    yield
    empty_account(site)


def test_nothing_goes_on_moving_for_those_who_want_no_motion(chromium: Browser, site: GatewayProcess) -> None:
    with visiting(chromium, site.url, reduced_motion="reduce") as visitor:
        page = visitor.sign_in()
        page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<i class=\"state-dot is-loading\"></i>')"
        )
        is_endless = "each => each.effect.getTiming().iterations === Infinity"
        endless = page.evaluate(f"() => document.getAnimations().filter({is_endless}).length")

        assert endless == 0


def test_theme_is_kept_and_is_that_of_other_tabs(visitor: Visitor) -> None:
    page = visitor.sign_in()
    other = visitor.context.new_page()
    other.goto(f"{visitor.url}/chat/")

    page.get_by_role("button", name="Account menu").click()
    page.get_by_role("menuitemradio", name="Dark theme").click()

    for tab in (page, other):
        tab.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("button", name="Account menu").click()
    page.get_by_role("menuitemradio", name="System theme").click()
    assert page.locator("html").get_attribute("data-theme") is None


def test_sidebar_is_a_drawer_on_a_phone(chromium: Browser, site: GatewayProcess) -> None:
    (conversation_id,) = add(site, "Pocket")
    with visiting(chromium, site.url, viewport=PHONE, has_touch=True, is_mobile=True) as visitor:
        page = visitor.sign_in()
        sidebar = page.get_by_role("navigation", name="Conversations")
        page.get_by_role("heading", name="New chat").wait_for()
        assert not sidebar.is_visible()

        page.get_by_role("button", name="Conversations", exact=True).tap()
        row(page, "Pocket").get_by_role("link").tap()

        page.wait_for_url(f"**/chat/#{conversation_id}")
        sidebar.wait_for(state="hidden")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_new_chat_by_its_keys(site: GatewayProcess, visitor: Visitor) -> None:
    add(site, "Something")
    page = visitor.sign_in()
    row(page, "Something").get_by_role("link").click()
    page.get_by_role("heading", name="Something").wait_for()

    page.keyboard.press("Control+Shift+O")

    page.get_by_role("heading", name="New chat").wait_for()
    assert page.url == f"{site.url}/chat/"


def test_admin_is_led_to_the_admin_and_others_are_not(visitor: Visitor) -> None:
    page = visitor.sign_in()
    page.get_by_role("button", name=re.compile("demo")).click()
    assert page.get_by_role("menuitem", name="Admin").count() == 0

    page.get_by_role("menuitem", name="Sign out").click()
    page.wait_for_url("**/sign-in/")
    visitor.sign_in(username="admin")
    page.get_by_role("button", name=re.compile("admin")).click()

    assert page.get_by_role("menuitem", name="Admin").get_attribute("href") == "/admin/"


def test_open_conversation_is_renamed_from_above_it(site: GatewayProcess, visitor: Visitor) -> None:
    add(site, "Old name")
    page = visitor.sign_in()
    row(page, "Old name").get_by_role("link").click()

    page.get_by_role("button", name="Actions for this conversation").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_role("textbox", name="Title").fill("New name")
    page.keyboard.press("Enter")

    page.get_by_role("heading", name="New name").wait_for()
    row(page, "New name").wait_for()
    assert page.title() == "New name · vLLM Chat Gateway"


def test_dialog_keeps_the_focus_and_gives_it_back(visitor: Visitor) -> None:
    page = visitor.sign_in()
    page.get_by_role("button", name="Account menu").focus()

    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard shortcuts").wait_for()
    for _ in range(3):
        page.keyboard.press("Tab")
        focused = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        assert page.evaluate(focused)
    page.keyboard.press("Escape")

    page.get_by_role("dialog").wait_for(state="detached")
    assert page.evaluate("document.activeElement.className").startswith("is-plain account-button")


def test_link_to_a_conversation_is_made_copied_and_ended(
    chromium: Browser, embedded_stores: Stores, tmp_path: Path, simulator: str
) -> None:
    with (
        start_gateway(embedded_stores, tmp_path, simulator, SHARED_LINKS="true") as sharing,
        visiting(chromium, sharing.url, permissions=["clipboard-read", "clipboard-write"]) as visitor,
    ):
        (conversation_id,) = add(sharing, "Worth telling")
        turn = {"conversation_id": conversation_id, "content": "Hello", "model": "current", "stream": False}
        with sharing.client() as client:
            client.post("/api/chat", json=turn).raise_for_status()
        page = visitor.sign_in()
        choose(page, "Worth telling", "Share…")

        page.get_by_role("button", name="Make a link and copy it").click()
        page.get_by_role("button", name="End link").wait_for()
        link = page.get_by_role("textbox", name="Link").input_value()
        page.wait_for_function("async (link) => await navigator.clipboard.readText() === link", arg=link)
        read = link.replace("/shared/", "/api/shared/")
        assert httpx.get(read).status_code == 200
        page.get_by_role("button", name="End link").click()

        page.get_by_role("button", name="End link").wait_for(state="detached")
        assert httpx.get(read).status_code == 404


def test_sidebar_that_was_hidden_stays_hidden(site: GatewayProcess, visitor: Visitor) -> None:
    add(site, "Beside")
    page = visitor.sign_in()
    row(page, "Beside").wait_for()

    page.get_by_role("button", name="Hide the conversations").click()
    row(page, "Beside").wait_for(state="hidden")
    page.reload()
    page.get_by_role("button", name="Conversations", exact=True).click()

    row(page, "Beside").wait_for()
