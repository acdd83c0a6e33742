"""The list of conversations in a browser: long lists, the keyboard, search, two tabs, lost connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.pages.browsers import Visitor, visiting
from gateway.tests.pages.conversation_rows import add, choose, empty_account, read, row

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

MANY = 5_000
SEEDING = """
from datetime import timedelta
from django.utils import timezone
from accounts.models import User
from conversations.models import Conversation
owner = User.objects.get(username="admin")
now = timezone.now()
Conversation.objects.bulk_create(
    Conversation(owner=owner, title=f"Number {{n}}", updated_at=now - timedelta(hours=n))
    for n in range({many})
)
"""


@pytest.fixture(autouse=True)
def _empty_account(site: GatewayProcess) -> Iterator[None]:
    yield
    empty_account(site)


def test_long_list_reaches_its_end_with_few_rows_in_the_page(site: GatewayProcess, visitor: Visitor) -> None:
    site.manage("shell", "--command", SEEDING.format(many=MANY))
    page = visitor.sign_in(username="admin")
    row(page, "Number 0").wait_for()

    scroller = page.locator(".list-scroller")
    last = row(page, f"Number {MANY - 1}")
    page.wait_for_function(
        """() => {
          const scroller = document.querySelector(".list-scroller");
          scroller.scrollTo(0, scroller.scrollHeight);
          const titles = [...document.querySelectorAll(".conversation-title")];
          return titles.some((title) => title.textContent === "Number 4999");
        }""",
        polling=100,
        timeout=60_000,
    )

    assert last.is_visible()
    assert page.get_by_role("listitem").count() < 100
    scroller.evaluate("each => each.scrollTo(0, 0)")
    row(page, "Number 0").wait_for()


def test_list_is_used_by_the_keyboard_alone(site: GatewayProcess, visitor: Visitor) -> None:
    add(site, "First", "Second", "Third")
    page = visitor.sign_in()
    row(page, "Third").get_by_role("link").focus()

    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Second").wait_for()
    page.keyboard.press("Delete")

    row(page, "Second").wait_for(state="detached")
    page.wait_for_function("() => document.activeElement.textContent === 'First'")


def test_two_tabs_agree(site: GatewayProcess, visitor: Visitor) -> None:
    add(site, "First", "Second")
    page = visitor.sign_in()
    row(page, "First").wait_for()
    other = visitor.context.new_page()
    other.goto(f"{site.url}/chat/")
    row(other, "Second").wait_for()

    choose(page, "First", "Pin")
    choose(page, "Second", "Delete")

    other.get_by_role("heading", name="Pinned").wait_for()
    row(other, "Second").wait_for(state="detached")


def test_tab_says_that_its_conversation_was_deleted_until_it_is_back(
    site: GatewayProcess, visitor: Visitor
) -> None:
    (conversation_id,) = add(site, "First")
    page = visitor.sign_in()
    other = visitor.context.new_page()
    other.goto(f"{site.url}/chat/#{conversation_id}")
    box = other.get_by_role("textbox", name="Message", exact=True)
    box.wait_for()
    row(other, "First").wait_for()

    choose(page, "First", "Delete")

    other.get_by_text("There is no such conversation.").wait_for()
    visitor.forgive("status of 404")
    page.get_by_role("button", name="Undo").click()
    box.wait_for()


def test_search_marks_what_it_found_and_opens_the_message(site: GatewayProcess, visitor: Visitor) -> None:
    with site.client() as client:
        said = {"content": "🎉 다음 주 서울여행계획을 세워 주세요", "max_tokens": 5}
        chat = client.post("/api/chat", json=said).raise_for_status().json()
        path = f"/api/conversations/{chat['conversation_id']}"
        client.patch(path, json={"title": "Emoji"}).raise_for_status()
        question = client.get(path).raise_for_status().json()["messages"][0]
    page = visitor.sign_in()

    page.get_by_role("searchbox", name="Search in conversations").fill("여행")
    page.get_by_text("1 result", exact=True).wait_for()
    assert page.locator("mark").all_text_contents() == ["여행"]
    page.get_by_role("list", name="Found").get_by_role("link").click()

    page.wait_for_url(f"**/chat/#{chat['conversation_id']}/{question['id']}")
    page.get_by_role("heading", name="Emoji").wait_for()
    page.locator("article.is-target").wait_for()


def test_automatic_title_appears_when_the_model_has_found_one(
    chromium: Browser, embedded_stores: Stores, tmp_path: Path, simulator: str
) -> None:
    with (
        start_gateway(embedded_stores, tmp_path, simulator, AUTO_TITLES="true") as naming,
        visiting(chromium, naming.url) as visitor,
        naming.client() as client,
    ):
        page = visitor.sign_in()
        turn = {"content": "Tell me of the sea", "model": "current", "stream": False}
        answer = client.post("/api/chat", json=turn).raise_for_status()
        conversation_id = answer.json()["conversation_id"]

        page.evaluate(
            """async (id) => {
              const { refreshConversation } = await import("/static/pages/js/chat/conversations.js");
              await refreshConversation(id);
            }""",
            conversation_id,
        )

        named = wait_until(
            lambda: (found := read(naming, conversation_id))["title_source"] == "model" and found
        )
        row(page, named["title"]).wait_for()


def test_what_another_device_began_is_there_when_the_connection_is_back(
    site: GatewayProcess, visitor: Visitor
) -> None:
    kept, removed = add(site, "Kept", "Removed")
    page = visitor.sign_in()
    row(page, "Removed").wait_for()
    visitor.context.set_offline(True)

    add(site, "From the train")
    with site.client() as client:
        client.delete(f"/api/conversations/{removed}").raise_for_status()
        client.patch(f"/api/conversations/{kept}", json={"title": "Renamed"}).raise_for_status()
    visitor.context.set_offline(False)

    row(page, "From the train").wait_for()
    row(page, "Removed").wait_for(state="detached")
    row(page, "Renamed").wait_for()
    # The browser's own lines about the connection.
    assert [text for text in visitor.complaints if "ERR_INTERNET_DISCONNECTED" not in text] == []
    visitor.complaints.clear()


def test_list_that_cannot_be_read_says_why_and_is_read_again(site: GatewayProcess, visitor: Visitor) -> None:
    add(site, "There after all")
    page = visitor.page
    refusal = {"error": {"message": "The database is away.", "code": "dependency_unavailable"}}
    page.route("**/api/conversations?*", lambda route: route.fulfill(status=503, json=refusal))
    visitor.sign_in()

    page.get_by_role("alert").get_by_text("The database is away.").wait_for()
    page.unroute("**/api/conversations?*")
    page.get_by_role("button", name="Try again").click()

    row(page, "There after all").wait_for()
    assert [text for text in visitor.complaints if "503" not in text] == []
    visitor.complaints.clear()
