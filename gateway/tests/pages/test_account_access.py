"""Sessions and API keys on the account page, in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.tests.live import GatewayProcess
from gateway.tests.pages.account_page import (
    Person,
    ask_elsewhere,
    create_key,
    log_in,
    open_account,
    person,
)
from gateway.tests.pages.browsers import Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["person"]

pytestmark = pytest.mark.browser


def test_session_elsewhere_is_ended(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    elsewhere = log_in(site, person.name, person.password)
    page = open_account(visitor, person, part="Sessions")
    sessions = page.get_by_role("list", name="Sessions").get_by_role("listitem")

    sessions.filter(has_text="python-httpx").get_by_role("button", name="End python-httpx").click()
    page.get_by_role("dialog").get_by_role("button", name="End").click()

    page.get_by_role("dialog").wait_for(state="detached")
    assert "This one" in sessions.inner_text()
    assert ask_elsewhere(site, elsewhere, "/api/auth/me").status_code == 401


def test_all_other_sessions_are_ended_at_once(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    tokens = [log_in(site, person.name, person.password) for _ in range(2)]
    page = open_account(visitor, person, part="Sessions")

    page.get_by_role("button", name="End all others").click()
    page.get_by_role("dialog", name="End 2 sessions?").get_by_role("button", name="End").click()

    page.get_by_role("dialog").wait_for(state="detached")
    assert [ask_elsewhere(site, token, "/api/auth/me").status_code for token in tokens] == [401, 401]
    page.reload()
    page.get_by_role("heading", name="Account", exact=True).wait_for()


def test_key_works_until_it_is_revoked(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    page = open_account(visitor, person, part="API keys")

    key = create_key(page, "Laptop")

    assert ask_elsewhere(site, key, "/v1/models").status_code == 200
    page.reload()
    row = page.get_by_role("list", name="API keys").get_by_role("listitem").filter(has_text="Laptop")
    row.get_by_text("Chat, See models").wait_for()
    assert key not in page.content()
    row.get_by_role("button", name="Revoke Laptop").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke key").click()
    page.get_by_text("1 key that has ended").click()
    page.get_by_text("Revoked", exact=True).wait_for()
    assert ask_elsewhere(site, key, "/v1/models").status_code == 401


def test_shown_lines_are_ready_to_be_used(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    page = open_account(visitor, person, part="API keys")

    key = create_key(page, "Script")

    for name in ("curl", "Python, with the openai package", "Continue, in config.yaml"):
        page.get_by_text(name, exact=True).click()
        lines = page.get_by_label(name, exact=True).inner_text()
        assert key in lines
        assert f"{site.url}/v1" in lines


def test_key_is_copied(chromium: Browser, site: GatewayProcess, person: Person) -> None:
    with visiting(chromium, site.url, permissions=["clipboard-read", "clipboard-write"]) as visitor:
        page = open_account(visitor, person, part="API keys")
        key = create_key(page, "Copied")

        page.get_by_role("button", name="Copy API key").click()

        page.get_by_role("status").get_by_text("Copied").wait_for(state="attached")
        assert page.evaluate("navigator.clipboard.readText()") == key


def test_key_does_no_more_than_it_was_made_for(
    visitor: Visitor, person: Person, site: GatewayProcess
) -> None:
    page = open_account(visitor, person, part="API keys")

    page.get_by_role("button", name="Create a key").click()
    dialog = page.get_by_role("dialog", name="Create a key")
    dialog.get_by_label("Name").fill("Search")
    dialog.get_by_label("Chat").uncheck()
    dialog.get_by_label("See models").uncheck()
    dialog.get_by_label("Embeddings").check()
    dialog.get_by_label("Expires").select_option("30")
    dialog.get_by_role("button", name="Create key").click()

    key = page.get_by_label("API key", exact=True).inner_text()
    assert ask_elsewhere(site, key, "/v1/models").status_code == 200
    assert ask_elsewhere(site, key, "/api/models/profiles").status_code == 403
    row = page.get_by_role("list", name="API keys").get_by_role("listitem").filter(has_text="Search")
    assert "May: Embeddings" in row.inner_text()
    assert "expires" in row.inner_text()


def test_rotated_key_and_its_successor_both_work(
    visitor: Visitor, person: Person, site: GatewayProcess
) -> None:
    page = open_account(visitor, person, part="API keys")
    old = create_key(page, "Server")

    page.get_by_role("button", name="Rotate Server").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate key").click()
    page.get_by_text("Replaced", exact=True).wait_for()

    new = page.get_by_label("API key", exact=True).inner_text()
    assert new != old
    assert [ask_elsewhere(site, key, "/v1/models").status_code for key in (old, new)] == [200, 200]


def test_key_is_renamed(visitor: Visitor, person: Person) -> None:
    page = open_account(visitor, person, part="API keys")
    create_key(page, "Old name")

    page.get_by_role("button", name="Change Old name").click()
    page.get_by_role("dialog").get_by_label("Name").fill("New name")
    page.get_by_role("button", name="Save key").click()

    row = page.get_by_role("list", name="API keys").get_by_role("listitem").filter(has_text="New name")
    row.get_by_text("never used").wait_for()


def test_key_for_one_model_is_bound_to_it(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    page = open_account(visitor, person, part="API keys")

    page.get_by_role("button", name="Create a key").click()
    dialog = page.get_by_role("dialog", name="Create a key")
    dialog.get_by_label("Name").fill("Coder")
    dialog.get_by_text("Models: every model").click()
    dialog.get_by_label("simulated", exact=True).check()
    dialog.get_by_role("button", name="Create key").click()

    row = page.get_by_role("list", name="API keys").get_by_role("listitem").filter(has_text="Coder")
    row.get_by_text("simulated").wait_for()
    token = log_in(site, person.name, person.password)
    (key,) = ask_elsewhere(site, token, "/api/keys").json()["data"]
    assert key["models"] == ["simulated"]


CLIENTS = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 "
    "Safari/537.36": "Chrome on Windows",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 "
    "Whale/4.28.282.14 Safari/537.36": "Whale on Windows",
    "Mozilla/5.0 (Linux; Android 14; SM-S928N) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 "
    "Chrome/122.0.0.0 Mobile Safari/537.36": "Samsung Internet on Android",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1": "Safari on iPhone",
    "python-httpx/0.28.1": "python-httpx",
    "": "Unknown program",
}


def test_clients_are_called_by_the_names_that_people_use(visitor: Visitor, person: Person) -> None:
    page = open_account(visitor, person)

    names = page.evaluate(
        """async (clients) => {
            const { describeClient } = await import("/static/pages/js/account/user_agents.js");
            return clients.map(describeClient);
        }""",
        list(CLIENTS),
    )

    assert names == list(CLIENTS.values())
