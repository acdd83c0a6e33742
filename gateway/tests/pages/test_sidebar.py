"""The list of conversations in a browser: long lists, what is done with one, folders, trash, search."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.pages.browsers import PHONE, Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

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
    """Each test begins with no conversations and no folders of `demo`."""
    yield
    with site.client() as client:
        for action in ("restore", "delete"):
            client.post("/api/conversations/bulk", json={"action": action, "all": True}).raise_for_status()
        for folder in client.get("/api/folders").json()["data"]:
            client.delete(f"/api/folders/{folder['id']}")


def add(site: GatewayProcess, *titles: str) -> list[str]:
    """Ids of new conversations; the last one is first in the list."""
    with site.client() as client:
        answers = [client.post("/api/conversations", json={"title": title}) for title in titles]
        return [answer.raise_for_status().json()["id"] for answer in answers]


def read(site: GatewayProcess, conversation_id: str) -> dict[str, Any]:
    with site.client() as client:
        answer: dict[str, Any] = client.get(f"/api/conversations/{conversation_id}").json()
        return answer


def row(page: Page, title: str) -> Locator:
    rows = page.get_by_role("navigation", name="Conversations").get_by_role("listitem")
    return rows.filter(has=page.get_by_text(title, exact=True))


def choose(page: Page, title: str, action: str) -> None:
    row(page, title).hover()
    page.get_by_role("button", name=f"Actions for {title}", exact=True).click()
    page.get_by_role("menuitem", name=action, exact=True).click()


def show(page: Page, name: str, view: str) -> None:
    """Change the list from the view of this name to another."""
    page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("menuitemradio", name=view, exact=True).click()
    page.get_by_role("button", name=view, exact=True).wait_for()


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


def test_conversation_is_renamed_in_place(site: GatewayProcess, visitor: Visitor) -> None:
    (conversation_id,) = add(site, "Old name")
    page = visitor.sign_in()

    choose(page, "Old name", "Rename")
    page.get_by_role("textbox", name="New title").fill("새 이름")
    page.keyboard.press("Enter")

    row(page, "새 이름").wait_for()
    page.wait_for_function("() => document.activeElement.textContent === '새 이름'")
    page.reload()
    row(page, "새 이름").wait_for()
    assert read(site, conversation_id)["title"] == "새 이름"


def test_escape_leaves_a_name_as_it_was(site: GatewayProcess, visitor: Visitor) -> None:
    (conversation_id,) = add(site, "Old name")
    page = visitor.sign_in()

    row(page, "Old name").get_by_role("link").focus()
    page.keyboard.press("F2")
    page.get_by_role("textbox", name="New title").fill("Other name")
    page.keyboard.press("Escape")

    row(page, "Old name").wait_for()
    assert read(site, conversation_id)["title"] == "Old name"


def test_hangul_that_is_composed_is_in_the_new_name_after_one_enter(
    site: GatewayProcess, visitor: Visitor
) -> None:
    add(site, "Old name")
    page = visitor.sign_in()
    choose(page, "Old name", "Rename")
    box = page.get_by_role("textbox", name="New title")
    box.fill("")
    keyboard = visitor.context.new_cdp_session(page)

    keyboard.send("Input.imeSetComposition", {"text": "안녕", "selectionStart": 2, "selectionEnd": 2})
    box.dispatch_event("keydown", {"key": "Enter", "code": "Enter", "keyCode": 229, "isComposing": True})
    keyboard.send("Input.insertText", {"text": "안녕"})

    row(page, "안녕").wait_for()


def test_pinned_conversation_is_on_top(site: GatewayProcess, visitor: Visitor) -> None:
    add(site, "First", "Second", "Third")
    page = visitor.sign_in()

    choose(page, "First", "Pin")

    page.get_by_role("heading", name="Pinned").wait_for()
    titles = page.locator(".conversation-title")
    assert titles.all_text_contents() == ["First", "Third", "Second"]
    choose(page, "First", "Unpin")
    page.get_by_role("heading", name="Pinned").wait_for(state="detached")
    assert titles.all_text_contents() == ["Third", "Second", "First"]


def test_archived_conversation_is_in_the_archive(site: GatewayProcess, visitor: Visitor) -> None:
    add(site, "Kept", "Put away")
    page = visitor.sign_in()

    choose(page, "Put away", "Archive")
    row(page, "Put away").wait_for(state="detached")
    show(page, "All conversations", "Archive")
    choose(page, "Put away", "Move out of the archive")
    page.get_by_text("Nothing is archived.").wait_for()

    show(page, "Archive", "All conversations")
    row(page, "Put away").wait_for()


def test_deletion_is_undone_by_its_notice(site: GatewayProcess, visitor: Visitor) -> None:
    (conversation_id,) = add(site, "Precious")
    page = visitor.sign_in()
    row(page, "Precious").get_by_role("link").click()
    page.get_by_role("heading", name="Precious").wait_for()

    choose(page, "Precious", "Delete")
    row(page, "Precious").wait_for(state="detached")
    page.get_by_role("heading", name="New chat").wait_for()
    page.get_by_role("button", name="Undo").click()

    row(page, "Precious").wait_for()
    page.get_by_role("heading", name="Precious").wait_for()
    assert read(site, conversation_id)["deleted_at"] is None


def test_trash_restores_and_deletes_for_good(site: GatewayProcess, visitor: Visitor) -> None:
    add(site, "Wanted again", "Never again")
    page = visitor.sign_in()
    for title in ("Wanted again", "Never again"):
        choose(page, title, "Delete")
        row(page, title).wait_for(state="detached")

    show(page, "All conversations", "Trash")
    page.get_by_role("button", name="Wanted again", exact=True).click()
    page.get_by_role("menuitem", name="Restore").click()
    row(page, "Wanted again").wait_for(state="detached")
    choose(page, "Never again", "Delete for good…")
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()

    row(page, "Never again").wait_for(state="detached")
    show(page, "Trash", "All conversations")
    row(page, "Wanted again").wait_for()


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


def test_conversation_moves_to_a_new_folder_and_the_list_shows_the_folder(
    site: GatewayProcess, visitor: Visitor
) -> None:
    add(site, "Elsewhere", "Recipe")
    page = visitor.sign_in()

    choose(page, "Recipe", "Move to folder…")
    page.get_by_role("dialog").get_by_role("button", name="New folder…").click()
    page.get_by_role("textbox", name="Folder name").fill("요리")
    page.keyboard.press("Enter")
    page.get_by_text("Moved to “요리”.").wait_for()
    show(page, "All conversations", "요리")

    row(page, "Recipe").wait_for()
    assert page.locator(".conversation-title").all_text_contents() == ["Recipe"]


def test_folder_is_renamed_and_deleted_without_its_conversations(
    site: GatewayProcess, visitor: Visitor
) -> None:
    with site.client() as client:
        folder = client.post("/api/folders", json={"name": "Work"}).json()
        client.post("/api/conversations", json={"title": "Report", "folder_id": folder["id"]})
    page = visitor.sign_in()
    show(page, "All conversations", "Work")

    page.get_by_role("button", name="Actions for the folder Work").click()
    page.get_by_role("menuitem", name="Rename folder").click()
    page.get_by_role("textbox", name="Folder name").fill("Play")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Actions for the folder Play").click()
    page.get_by_role("menuitem", name="Delete folder…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete folder").click()

    page.get_by_role("button", name="All conversations", exact=True).wait_for()
    row(page, "Report").wait_for()
    page.get_by_role("button", name="All conversations", exact=True).click()
    assert page.get_by_role("menuitemradio", name="Play").count() == 0


def test_duplicate_is_opened(site: GatewayProcess, visitor: Visitor) -> None:
    (conversation_id,) = add(site, "Once")
    page = visitor.sign_in()

    choose(page, "Once", "Duplicate")

    page.wait_for_url(re.compile("/chat/#[0-9a-f-]{36}$"))
    page.wait_for_function("() => document.querySelectorAll('.conversation-title').length === 2")
    assert not page.url.endswith(conversation_id)


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
    (conversation_id,) = add(site, "Emoji")
    message_id = "0190a0a0-0000-7000-8000-000000000001"
    found = {
        "conversation": {"id": conversation_id, "title": "Emoji", "archived": False},
        **{"message_id": message_id, "role": "user", "model": "", "created_at": "2026-03-01T10:00:00Z"},
        "snippet": {"text": "🎉 서울 여행 계획", "matches": [[2, 4]]},
    }
    page = visitor.page
    page.route(
        "**/api/conversations/search?q=*",
        lambda route: route.fulfill(
            json={"object": "list", "data": [found], "next": None, "has_more": False}
        ),
    )
    visitor.sign_in()

    page.get_by_role("searchbox", name="Search in conversations").fill("서울")
    page.get_by_text("1 result", exact=True).wait_for()
    assert page.locator("mark").all_text_contents() == ["서울"]
    page.get_by_role("list", name="Found").get_by_role("link").click()

    page.wait_for_url(f"**/chat/#{conversation_id}/{message_id}")
    page.get_by_role("heading", name="Emoji").wait_for()


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


def test_change_that_fails_is_taken_back_and_can_be_tried_again(
    site: GatewayProcess, visitor: Visitor
) -> None:
    (conversation_id,) = add(site, "Steady")
    page = visitor.sign_in()
    row(page, "Steady").wait_for()
    visitor.context.set_offline(True)

    choose(page, "Steady", "Pin")
    page.get_by_role("alert").get_by_text("The server cannot be reached.").wait_for()
    page.get_by_role("heading", name="Pinned").wait_for(state="detached")
    visitor.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()

    page.get_by_role("heading", name="Pinned").wait_for()
    assert read(site, conversation_id)["pinned"] is True
    # The browser's own lines about the connection.
    assert [text for text in visitor.complaints if "ERR_INTERNET_DISCONNECTED" not in text] == []
    visitor.complaints.clear()


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


def test_sidebar_that_was_hidden_stays_hidden(site: GatewayProcess, visitor: Visitor) -> None:
    add(site, "Beside")
    page = visitor.sign_in()
    row(page, "Beside").wait_for()

    page.get_by_role("button", name="Hide the conversations").click()
    row(page, "Beside").wait_for(state="hidden")
    page.reload()
    page.get_by_role("button", name="Conversations", exact=True).click()

    row(page, "Beside").wait_for()


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
