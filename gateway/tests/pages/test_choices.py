"""How the next turns are answered, in a browser: the model, its switches, prompts and sampling."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from gateway.tests.databases import Stores
from gateway.tests.forked import start_python
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.pages.browsers import DESKTOP, PHONE, Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

SWITCH_TIMEOUT_MS = 60_000


@contextmanager
def running_switcher(gateway: GatewayProcess, log_path: Path) -> Iterator[None]:
    with log_path.open("ab") as log:
        process = start_python(
            *("manage.py", "run_switcher", "--end-engines"),
            environment=gateway.environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.fixture(scope="module")
def box(embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with a switcher that starts simulated engines; none of them serves at first."""
    folder = tmp_path_factory.mktemp("box")
    with start_gateway(embedded_stores, folder, "") as gateway:
        gateway.manage("load_profiles")
        with running_switcher(gateway, folder / "switcher.log"):
            yield gateway


def open_models(page: Page) -> None:
    page.get_by_role("button", name="Model:").click()
    page.get_by_role("dialog", name="Models").wait_for()


def open_settings(page: Page) -> None:
    page.get_by_role("button", name="Settings", exact=True).click()
    page.get_by_role("dialog", name="Settings").wait_for()


def add(site: GatewayProcess, **fields: str) -> str:
    with site.client() as client:
        conversation_id: str = client.post("/api/conversations", json=fields).raise_for_status().json()["id"]
        return conversation_id


def read(site: GatewayProcess, conversation_id: str) -> dict[str, Any]:
    with site.client() as client:
        answer: dict[str, Any] = client.get(f"/api/conversations/{conversation_id}").json()
        return answer


def test_admin_switches_the_model_and_everybody_sees_how_far_it_is(
    chromium: Browser, box: GatewayProcess
) -> None:
    with (
        visiting(chromium, box.url, viewport=PHONE) as reader,
        visiting(chromium, box.url, viewport=DESKTOP) as admin,
    ):
        reader.sign_in()
        reader.page.get_by_text("Ask an administrator to load one.").wait_for()
        page = admin.sign_in(username="admin")
        page.get_by_role("button", name="Choose a model").click()
        page.get_by_role("button", name="Switch to Simulated model…").click()
        page.get_by_text("Nothing is loaded now, so nobody is interrupted.").wait_for()
        page.get_by_role("button", name="Switch for everybody").click()

        for each in (admin, reader):
            notice = each.page.get_by_role("region", name="The model")
            notice.get_by_text("Loading Simulated model").wait_for()
            notice.get_by_role("progressbar").wait_for()
        assert page.get_by_role("button", name="Cancel the switch").is_visible()
        assert reader.page.get_by_role("button", name="Cancel the switch").count() == 0

        for each in (admin, reader):
            each.page.get_by_text("Simulated model is ready.").wait_for(timeout=SWITCH_TIMEOUT_MS)
            each.page.get_by_role("region", name="The model").wait_for(state="detached")
            each.page.get_by_role("button", name="Model: Simulated model Ready").wait_for()
        open_models(reader.page)
        reader.page.get_by_text("Nobody is waiting for an answer right now.").wait_for()


def test_admin_cancels_a_switch(chromium: Browser, box: GatewayProcess) -> None:
    with visiting(chromium, box.url) as admin:
        page = admin.sign_in(username="admin")
        page.get_by_role("button", name="Model: Simulated model Ready").click()
        page.get_by_role("button", name="Switch to Simulated large model…").click()
        page.get_by_text("Simulated model stops for everybody.").wait_for()
        page.get_by_role("button", name="Switch for everybody").click()

        page.get_by_role("region", name="The model").get_by_role("button", name="Cancel the switch").click()

        page.get_by_role("region", name="The model").wait_for(state="detached", timeout=SWITCH_TIMEOUT_MS)
        page.get_by_role("button", name="Model: Simulated model Ready").wait_for()


def test_users_see_the_models_and_whom_to_ask(box: GatewayProcess, chromium: Browser) -> None:
    with visiting(chromium, box.url) as visitor:
        page = visitor.sign_in()

        open_models(page)

        dialog = page.get_by_role("dialog", name="Models")
        dialog.get_by_text("Only administrators can load another one: ask one of them.").wait_for()
        dialog.get_by_text("Simulated large model", exact=True).wait_for()
        dialog.get_by_text("how long that takes is not known").wait_for()
        assert dialog.get_by_text("Does not fit this machine").count() == 0
        assert page.get_by_role("button", name="Switch to").count() == 0


def test_prompt_of_a_conversation_is_saved(site: GatewayProcess, visitor: Visitor) -> None:
    conversation_id = add(site, title="Poems")
    page = visitor.sign_in(path=f"/chat/#{conversation_id}")
    page.get_by_role("heading", name="Poems").wait_for()

    open_settings(page)
    page.get_by_role("textbox", name="System prompt").fill("항상 존댓말로 답해.")
    page.get_by_role("button", name="Use this prompt").click()
    page.get_by_role("dialog").wait_for(state="detached")

    assert read(site, conversation_id)["system_prompt"] == "항상 존댓말로 답해."


def test_prompt_that_was_changed_elsewhere_is_shown_before_it_is_replaced(
    site: GatewayProcess, visitor: Visitor
) -> None:
    conversation_id = add(site, title="Poems")
    page = visitor.sign_in(path=f"/chat/#{conversation_id}")
    page.get_by_role("heading", name="Poems").wait_for()
    open_settings(page)
    with site.client() as client:
        client.patch(f"/api/conversations/{conversation_id}", json={"system_prompt": "Theirs."})

    page.get_by_role("textbox", name="System prompt").fill("Mine.")
    page.get_by_role("button", name="Use this prompt").click()
    page.get_by_role("alert").get_by_text("Theirs.").wait_for()
    assert page.get_by_role("textbox", name="System prompt").input_value() == "Mine."
    page.get_by_role("button", name="Use this prompt").click()
    page.get_by_role("dialog").wait_for(state="detached")

    assert read(site, conversation_id)["system_prompt"] == "Mine."
    # The browser's own line about the 409 that was asked for.
    assert [text for text in visitor.complaints if "409" not in text] == []
    visitor.complaints.clear()


def test_rename_meanwhile_is_no_conflict_of_prompts(site: GatewayProcess, visitor: Visitor) -> None:
    conversation_id = add(site, title="Poems")
    page = visitor.sign_in(path=f"/chat/#{conversation_id}")
    page.get_by_role("heading", name="Poems").wait_for()
    open_settings(page)
    with site.client() as client:
        client.patch(f"/api/conversations/{conversation_id}", json={"title": "Verses"})

    page.get_by_role("textbox", name="System prompt").fill("Mine.")
    page.get_by_role("button", name="Use this prompt").click()
    page.get_by_role("dialog").wait_for(state="detached")

    found = read(site, conversation_id)
    assert (found["title"], found["system_prompt"]) == ("Verses", "Mine.")
    visitor.complaints.clear()


def test_prompt_of_a_new_chat_makes_its_conversation(site: GatewayProcess, visitor: Visitor) -> None:
    page = visitor.sign_in()

    open_settings(page)
    page.get_by_role("textbox", name="System prompt").fill("Be brief.")
    page.get_by_role("button", name="Use this prompt").click()

    page.wait_for_url("**/chat/#*")
    assert read(site, page.url.partition("#")[2])["system_prompt"] == "Be brief."


def test_prompts_are_kept_picked_and_deleted(site: GatewayProcess, visitor: Visitor) -> None:
    with site.client("admin") as client:
        client.post(
            "/api/prompts", json={"title": "House style", "content": "Be kind.", "shared": True}
        ).raise_for_status()
    page = visitor.sign_in()
    open_settings(page)
    prompt = page.get_by_role("textbox", name="System prompt")
    saved = page.get_by_role("combobox", name="Saved prompts")

    prompt.fill("Talk like a pirate.")
    page.get_by_role("button", name="Save the text below for other conversations…").click()
    expect(page.get_by_role("textbox", name="Name of the prompt")).to_be_focused()
    page.keyboard.type("Pirate")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Delete", exact=True).wait_for()
    saved.select_option(label="House style (shared)")
    assert prompt.input_value() == "Be kind."
    assert page.get_by_role("button", name="Delete", exact=True).count() == 0

    saved.select_option(label="Pirate")
    assert prompt.input_value() == "Talk like a pirate."
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Really delete?").click()
    page.wait_for_function("() => document.querySelector('#saved-prompt').options.length === 2")
    assert saved.locator("option").all_text_contents() == ["Choose one…", "House style (shared)"]


def test_sampling_is_kept_in_the_browser_and_nonsense_is_not(visitor: Visitor) -> None:
    page = visitor.sign_in()
    open_settings(page)
    temperature = page.get_by_role("spinbutton", name="Temperature")

    temperature.fill("0.3")
    page.get_by_role("spinbutton", name="Longest answer").fill("512")
    page.reload()
    open_settings(page)
    assert temperature.input_value() == "0.3"
    temperature.fill("3")
    page.get_by_text("From 0 to 2.").wait_for()
    assert temperature.get_attribute("aria-invalid") == "true"

    stored = json.loads(page.evaluate("localStorage.getItem('sampling')"))
    assert stored == {"temperature": 0.3, "topP": None, "maxTokens": 512}
    page.get_by_role("button", name="Reset to the model’s own").click()
    assert temperature.input_value() == ""


def test_model_is_seen_again_when_the_gateway_is_back(
    chromium: Browser, embedded_stores: Stores, tmp_path: Path, simulator: str
) -> None:
    with (
        start_gateway(embedded_stores, tmp_path, simulator) as gateway,
        visiting(chromium, gateway.url) as visitor,
    ):
        page = visitor.sign_in()
        model = page.get_by_role("button", name="Model:")
        model.filter(has_text="Ready").wait_for()

        gateway.stop()
        model.filter(has_text="Cannot be seen").wait_for()
        gateway.start()

        model.filter(has_text="Ready").wait_for()
        assert [text for text in visitor.complaints if "net::" not in text] == []
        visitor.complaints.clear()
