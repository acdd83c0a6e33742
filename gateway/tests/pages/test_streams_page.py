"""Answers that go on in a browser: followed, left and come back to, in two tabs, with the connection lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from gateway.tests.live import GatewayProcess, wait_until
from gateway.tests.pages.browsers import Visitor
from gateway.tests.pages.chats import answers_of, box_of, questions_of, send, wait_for_end, wait_for_text
from gateway.tests.pages.speaking_engine import SpeakingEngine

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PARAGRAPHS = "".join(f"Paragraph {number} of a long answer.\n\n" for number in range(60))
DISTANCE = "e => e.scrollHeight - e.scrollTop - e.clientHeight"


def distance_from_end(page: Page) -> float:
    distance: float = page.locator(".messages").evaluate(DISTANCE)
    return distance


def test_end_is_followed_until_the_reader_scrolls_up(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    send(page, "A long answer")
    speaker.say(PARAGRAPHS)
    wait_for_text(answers_of(page), "Paragraph 59")
    wait_until(lambda: distance_from_end(page) < 30, what="the end")

    page.mouse.move(600, 300)
    page.mouse.wheel(0, -600)
    page.get_by_role("button", name="To the end").wait_for()
    place = page.locator(".messages").evaluate("e => e.scrollTop")
    speaker.say("More follows.\n\n" * 30)
    wait_until(lambda: distance_from_end(page) > 1_000, what="what follows")
    assert page.locator(".messages").evaluate("e => e.scrollTop") == place

    page.get_by_role("button", name="To the end").click()
    wait_until(lambda: distance_from_end(page) < 30, what="the end")
    speaker.say("The last words.\n\n" * 30)
    wait_for_text(answers_of(page), "The last words.")
    wait_until(lambda: distance_from_end(page) < 30, what="the end")
    speaker.end()
    wait_for_end(page)


def test_reader_may_stay_at_the_beginning_of_answers(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    page.get_by_role("checkbox", name="Follow answers to their end").uncheck()
    send(page, "From the beginning")
    speaker.say(PARAGRAPHS)
    speaker.end()

    page.get_by_role("button", name="To the end").wait_for()
    wait_for_end(page)

    expect(answers_of(page).get_by_text("Paragraph 0 ")).to_be_in_viewport()
    assert distance_from_end(page) > 1_000


def test_running_answer_goes_on_after_a_reload(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    send(page, "Keep talking")
    speaker.say("Before the reload, ")
    wait_for_text(answers_of(page), "Before the reload,")
    page.wait_for_url("**/chat/#*")

    page.reload()
    page.get_by_role("button", name="Stop", exact=True).wait_for()
    speaker.say("and after it.")
    speaker.end()

    wait_for_text(answers_of(page), "Before the reload, and after it.")
    wait_for_end(page)
    assert answers_of(page).count() == 1
    listener.forgive("404")


def test_running_answer_goes_on_when_the_connection_was_lost(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    send(page, "Hold the line")
    speaker.say("First half, ")
    wait_for_text(answers_of(page), "First half,")

    listener.context.set_offline(True)
    page.get_by_text("The connection was lost.").wait_for()
    listener.context.set_offline(False)
    speaker.say("second half.")
    speaker.end()

    wait_for_text(answers_of(page), "First half, second half.")
    wait_for_end(page)
    listener.forgive("ERR_INTERNET_DISCONNECTED")
    listener.forgive("404")


def test_running_answer_is_still_there_after_looking_elsewhere(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    send(page, "I will be back")
    speaker.say("Take ")
    wait_for_text(answers_of(page), "Take")
    page.wait_for_url("**/chat/#*")
    own = page.url

    page.goto(f"{listener.url}/chat/#")
    expect(answers_of(page)).to_have_count(0)
    speaker.say("your time.")
    speaker.end()
    page.goto(own)

    wait_for_text(answers_of(page), "Take your time.")
    wait_for_end(page)
    listener.forgive("404")


def test_turn_appears_in_another_tab(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    send(page, "In the first tab")
    speaker.answer("One.")
    wait_for_end(page)
    page.wait_for_url("**/chat/#*")
    other = listener.context.new_page()
    other.goto(page.url)
    wait_for_text(answers_of(other), "One.")

    send(page, "Once more")
    speaker.answer("Two.")

    wait_for_text(answers_of(other).last, "Two.")
    wait_for_text(questions_of(other).last, "Once more")
    wait_for_end(page)
    listener.forgive("404")


def test_busy_conversation_is_said_and_the_message_stays_in_the_box(
    listener: Visitor, speaker: SpeakingEngine, speaking_site: GatewayProcess
) -> None:
    page = listener.page
    send(page, "Start")
    speaker.answer("Started.")
    wait_for_end(page)
    page.wait_for_url("**/chat/#*")
    conversation_id = page.url.partition("#")[2]
    speaker.say("Elsewhere, ")
    body = {"content": "from elsewhere", "stream": True}
    with (
        speaking_site.client() as client,
        client.stream("POST", f"/api/conversations/{conversation_id}/messages", json=body),
    ):
        send(page, "Too early")

        page.get_by_text("still receiving an answer").wait_for()
        expect(box_of(page)).to_have_value("Too early")
        speaker.answer("done.")
    wait_for_text(answers_of(page).last, "Elsewhere, done.")
    listener.forgive("409")
    listener.forgive("404")
