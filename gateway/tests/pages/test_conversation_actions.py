"""What is done with a conversation in the list, in a browser: names, pins, folders, archive, trash, files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from gateway.tests.live import GatewayProcess, wait_until
from gateway.tests.pages.browsers import DESKTOP, PHONE, Visitor, visiting
from gateway.tests.pages.chats import send, wait_for_end
from gateway.tests.pages.conversation_rows import add, choose, empty_account, read, row, show

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

COVERED = """() => {
    const notice = document.querySelector(".toast").getBoundingClientRect();
    const kept = [...document.querySelectorAll(".chat-header, article, .composer-box")];
    return kept.filter((element) => {
        const { top, bottom } = element.getBoundingClientRect();
        return top < notice.bottom && bottom > notice.top;
    }).map((element) => element.className);
}"""
"""What stands where the notice is."""


@pytest.fixture(autouse=True)
def _empty_account(site: GatewayProcess) -> Iterator[None]:
    yield
    empty_account(site)


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
    page.get_by_text("Deleted conversations can be restored for 30 days.").wait_for()
    assert "30 days left" in (
        row(page, "Wanted again").get_by_text("Wanted again").get_attribute("title") or ""
    )
    page.get_by_role("button", name="Restore Wanted again").click()
    row(page, "Wanted again").wait_for(state="detached")
    choose(page, "Never again", "Delete for good…")
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()

    row(page, "Never again").wait_for(state="detached")
    show(page, "Trash", "All conversations")
    row(page, "Wanted again").wait_for()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_notice_covers_neither_messages_nor_the_box(
    site: GatewayProcess, chromium: Browser, size: dict[str, int]
) -> None:
    with visiting(chromium, site.url, viewport=size) as visitor:
        page = visitor.sign_in()
        send(page, "Which of these can be read?")
        wait_for_end(page)
        page.get_by_role("button", name="Actions for this conversation").click()
        page.get_by_role("menuitem", name="Archive", exact=True).click()
        notice = page.locator(".toast")
        notice.wait_for()

        covered = page.evaluate(COVERED)

        assert covered == []


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


@pytest.mark.parametrize(("name", "suffix"), [("Export as Markdown", ".md"), ("Export as JSON", ".json")])
def test_conversation_is_exported_as_a_file(
    site: GatewayProcess, visitor: Visitor, name: str, suffix: str
) -> None:
    add(site, "Report")
    page = visitor.sign_in()

    with page.expect_download() as download:
        choose(page, "Report", name)

    assert download.value.suggested_filename.endswith(suffix)
    assert "Report" in download.value.path().read_text()


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
    wait_until(lambda: read(site, conversation_id)["pinned"], what="the change at the server")
    # The browser's own lines about the connection.
    assert [text for text in visitor.complaints if "ERR_INTERNET_DISCONNECTED" not in text] == []
    visitor.complaints.clear()
