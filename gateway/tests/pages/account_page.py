"""The account page under test: people with accounts of their own, and what tests do on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.ids import new_id
from gateway.tests.live import GatewayProcess
from gateway.tests.pages.browsers import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Page


@dataclass(frozen=True)
class Person:
    name: str
    password: str


@pytest.fixture
def person(site: GatewayProcess) -> Person:
    """Somebody whose account no other test changes."""
    return create_person(site)


def create_person(site: GatewayProcess) -> Person:
    name = f"person-{new_id()}"
    return Person(name, site.manage("create_user", name, "--quiet").strip())


def open_account(visitor: Visitor, person: Person, *, part: str = "") -> Page:
    """Sign in, and go to a part of the page."""
    page = visitor.sign_in("/account/", person.name, person.password)
    page.get_by_role("heading", name="Account", exact=True).wait_for()
    if part:
        page.get_by_role("navigation", name="Sections").get_by_role("link", name=part).click()
    return page


def log_in(site: GatewayProcess, name: str, password: str) -> str:
    """The access token of a session elsewhere."""
    answer = httpx.post(f"{site.url}/api/auth/login", json={"username": name, "password": password})
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def ask_elsewhere(site: GatewayProcess, token: str, path: str) -> httpx.Response:
    """As a program asks that is not the page."""
    return httpx.get(f"{site.url}{path}", headers={"Authorization": f"Bearer {token}"})


def ask_model(page: Page) -> str:
    """One answer, asked for in the tab as the chat page does; the id of its conversation."""
    answer = page.evaluate(
        """async () => {
            const api = await import("/static/pages/js/api.js");
            const messages = [{ role: "user", content: "Hello" }];
            const body = { model: "current", stream: false, messages };
            return await api.askJson("POST", "/api/chat", { body });
        }"""
    )
    return str(answer["conversation_id"])


def create_key(page: Page, name: str) -> str:
    """The key that is shown."""
    page.get_by_role("button", name="Create a key").click()
    dialog = page.get_by_role("dialog", name="Create a key")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_role("button", name="Create key").click()
    return (
        page.get_by_role("group", name=f"Your new key: {name}")
        .get_by_label("API key", exact=True)
        .inner_text()
    )
