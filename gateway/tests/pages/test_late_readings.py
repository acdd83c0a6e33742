"""Answers of the server that come late: what the reader began meanwhile stays as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from gateway.tests.live import wait_until
from gateway.tests.pages.browsers import Visitor
from gateway.tests.pages.chats import answers_of, questions_of, send, wait_for_end, wait_for_text
from gateway.tests.pages.speaking_engine import SpeakingEngine

if TYPE_CHECKING:
    from playwright.sync_api import APIResponse, Page, Route

pytestmark = pytest.mark.browser

READING = re.compile(r"/api/conversations/[0-9a-f-]+\?limit=100$")


class HeldReading:
    """One reading of a conversation: the server has answered it, and the page has not been told yet."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._held: list[tuple[Route, APIResponse]] = []
        page.route(READING, self._hold, times=1)

    def _hold(self, route: Route) -> None:
        self._held.append((route, route.fetch()))

    def wait(self) -> None:
        wait_until(lambda: self._page.evaluate("true") and self._held, what="a reading")

    def release(self) -> None:
        """Returns when the page has taken it."""
        ((route, answer),) = self._held
        with self._page.expect_response(READING) as told:
            route.fulfill(response=answer)
        told.value.finished()
        self._page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def ask_again_before_the_reading_is_told(
    page: Page, speaker: SpeakingEngine, question: str, answer: str
) -> HeldReading:
    """The reading after the first answer, which another one follows before the page is told."""
    send(page, question)
    reading = HeldReading(page)
    speaker.answer(answer)
    reading.wait()
    answers_of(page).get_by_role("button", name="Answer again").click()
    return reading


def test_reading_from_before_the_next_answer_does_not_bring_the_first_one_back(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    reading = ask_again_before_the_reading_is_told(page, speaker, "Pick a colour", "Red.")
    speaker.say("Blue")
    wait_for_text(answers_of(page), "Blue")

    reading.release()

    expect(answers_of(page)).to_have_count(1)
    expect(questions_of(page)).to_have_count(1)
    wait_for_text(answers_of(page), "Blue")
    speaker.end()
    wait_for_end(page)
    wait_for_text(answers_of(page), "2 / 2")


def test_reading_that_comes_after_the_next_answer_has_ended_is_not_shown(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    reading = ask_again_before_the_reading_is_told(page, speaker, "Pick a number", "One.")
    speaker.answer("Two.")
    wait_for_text(answers_of(page), "2 / 2")

    reading.release()

    wait_for_text(answers_of(page), "Two.")
    wait_for_text(answers_of(page), "2 / 2")


def test_message_that_is_sent_before_the_conversation_was_read_stands_at_its_end(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    send(page, "The first")
    speaker.answer("One.")
    wait_for_text(answers_of(page), "20 tokens")
    reading = HeldReading(page)
    page.reload()
    reading.wait()
    send(page, "The second")
    speaker.say("Two")
    wait_for_text(answers_of(page), "Two")

    reading.release()

    expect(questions_of(page)).to_have_text([re.compile("The first"), re.compile("The second")])
    expect(answers_of(page)).to_have_text([re.compile("One"), re.compile("Two")])
    speaker.end()
    wait_for_end(page)
    expect(answers_of(page)).to_have_count(2)


def test_answer_that_could_not_be_asked_for_leaves_the_one_that_it_was_to_replace(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    send(page, "Pick a day")
    speaker.answer("Monday.")
    wait_for_text(answers_of(page), "20 tokens")
    page.route("**/regenerate", lambda route: route.abort(), times=1)

    answers_of(page).get_by_role("button", name="Answer again").click()

    expect(answers_of(page)).to_have_count(2)
    wait_for_text(answers_of(page).first, "Monday.")
    listener.forgive("ERR_FAILED")
    speaker.answer("Tuesday.")
    answers_of(page).last.get_by_role("button", name="Try again").click()
    wait_for_text(answers_of(page).last, "Tuesday.")
    wait_for_end(page)
    wait_for_text(answers_of(page), "2 / 2")
