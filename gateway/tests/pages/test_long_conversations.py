"""A conversation of 4,000 messages in a browser: only what is seen is in the page, and nothing jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.tests.live import GatewayProcess, wait_until
from gateway.tests.pages.browsers import Visitor
from gateway.tests.pages.chats import wait_for_text

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.browser

MOST_IN_THE_PAGE = 60
FILL = """
from accounts.models import User
from conversations.models import Conversation, Message
owner = User.objects.get(username="demo")
conversation = Conversation.objects.create(owner=owner, title="Long")
parent = None
rows = []
for number in range(4_000):
    role = "assistant" if number % 2 else "user"
    text = f"Message {number}. " + "Some more words. " * (number % 7 * 10)
    parent = Message(conversation=conversation, owner=owner, parent=parent, role=role, content=text)
    rows.append(parent)
Message.objects.bulk_create(rows)
conversation.head = parent
conversation.save()
print("ID", conversation.pk)
"""


@pytest.fixture(scope="module")
def long_conversation(site: GatewayProcess) -> str:
    return site.manage("shell", "-c", FILL).rpartition("ID ")[2].strip()


def scroll_to(page: Page, top: int) -> None:
    page.locator(".messages").evaluate("(element, top) => { element.scrollTop = top }", top)


def test_long_conversation_is_read_from_its_end_to_its_beginning(
    visitor: Visitor, long_conversation: str
) -> None:
    page = visitor.sign_in()
    page.goto(f"{visitor.url}/chat/#{long_conversation}")
    wait_for_text(page.get_by_role("article").last, "Message 3999.")
    assert page.get_by_role("article").count() < MOST_IN_THE_PAGE

    beginning = page.get_by_text("Message 0.")

    def read_back() -> bool:
        scroll_to(page, 0)
        assert page.get_by_role("article").count() < MOST_IN_THE_PAGE
        return beginning.is_visible()

    wait_until(read_back, timeout_s=60, what="the first message")
    page.get_by_role("button", name="To the end").click()
    wait_until(lambda: page.get_by_text("Message 3999.").is_visible(), what="the last message")


READ = """() => {
    const list = document.querySelector(".messages");
    const middle = list.getBoundingClientRect().top + list.clientHeight / 2;
    const article = [...list.querySelectorAll("article")].find((each) => {
        const { top, bottom } = each.getBoundingClientRect();
        return top <= middle && middle <= bottom;
    });
    const text = article?.textContent.match(/Message \\d+\\./)?.[0];
    return text ? [text, Math.round(article.getBoundingClientRect().top)] : null;
}"""
"""Which message is in the middle of the list, and where."""


def test_what_is_read_stays_where_it_is_when_earlier_messages_arrive(
    visitor: Visitor, long_conversation: str
) -> None:
    page = visitor.sign_in()
    held: list[Route] = []
    page.route("**/api/conversations/*before=*", lambda route: held.append(route))
    page.goto(f"{visitor.url}/chat/#{long_conversation}")
    wait_for_text(page.get_by_role("article").last, "Message 3999.")
    scroll_to(page, 800)
    wait_until(lambda: held and page.evaluate(READ), what="a message")
    before = page.evaluate(READ)

    for route in held:
        route.continue_()

    wait_until(lambda: page.locator(".messages").evaluate("e => e.scrollTop") > 5_000, what="the page")
    text, top = page.evaluate(READ)
    assert text == before[0]
    assert abs(top - before[1]) <= 2


INHERITED = """(element) => ["--rows-height", "--rows-start"].map((name) =>
    getComputedStyle(element).getPropertyValue(name))"""


def test_messages_do_not_inherit_what_changes_with_each_line_of_an_answer(
    visitor: Visitor, long_conversation: str
) -> None:
    """Else the style of all of them is computed anew for each line: half of the page's work, once."""
    page = visitor.sign_in()
    page.goto(f"{visitor.url}/chat/#{long_conversation}")
    wait_for_text(page.get_by_role("article").last, "Message 3999.")
    height, _ = page.locator(".rows").evaluate(INHERITED)
    _, start = page.locator(".rows-in-view").evaluate(INHERITED)
    assert "0px" not in (height, start)

    assert page.get_by_role("article").last.evaluate(INHERITED) == ["0px", "0px"]
