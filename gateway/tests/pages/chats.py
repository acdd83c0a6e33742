"""What tests do at the chat page, by the names that a screen reader says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def box_of(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message", exact=True)


def send(page: Page, text: str) -> None:
    box_of(page).fill(text)
    page.get_by_role("button", name="Send", exact=True).click()


def answers_of(page: Page) -> Locator:
    return page.locator("article.is-answer")


def questions_of(page: Page) -> Locator:
    return page.locator("article.is-own")


def wait_for_text(place: Locator, text: str) -> None:
    """Until it holds the text, however it is laid out."""
    from playwright.sync_api import expect

    expect(place).to_contain_text(text)


def wait_for_end(page: Page) -> None:
    """Until no answer is being written."""
    page.get_by_role("button", name="Stop", exact=True).wait_for(state="detached")
    page.get_by_role("button", name="Send", exact=True).wait_for()
