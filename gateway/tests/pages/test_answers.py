"""What can be done with answers in a browser: again, on, otherwise, away, and what is said about them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from gateway.tests.live import GatewayProcess
from gateway.tests.pages.browsers import Visitor
from gateway.tests.pages.chats import answers_of, box_of, questions_of, send, wait_for_end, wait_for_text
from gateway.tests.pages.speaking_engine import SpeakingEngine

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.browser


def ask(page: Page, speaker: SpeakingEngine, question: str, answer: str, finish_reason: str = "stop") -> None:
    send(page, question)
    speaker.answer(answer, finish_reason)
    wait_for_text(answers_of(page).last, answer)
    answers_of(page).last.get_by_role("button", name="Copy message").wait_for()


def test_another_answer_stands_beside_the_first(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    ask(page, speaker, "Pick a colour", "Red.")

    answers_of(page).get_by_role("button", name="Answer again").click()
    speaker.answer("Blue.")

    wait_for_text(answers_of(page), "Blue.")
    wait_for_text(answers_of(page), "2 / 2")
    page.get_by_role("button", name="Previous version").click()
    wait_for_text(answers_of(page), "Red.")
    wait_for_text(answers_of(page), "1 / 2")
    page.reload()
    wait_for_text(answers_of(page), "Red.")


def test_answer_is_written_otherwise_and_stays_as_a_version(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    ask(page, speaker, "Spell it", "Recieve.")
    answers_of(page).get_by_role("button", name="Edit").click()
    page.get_by_role("textbox", name="Edit message").fill("Receive.")

    page.get_by_role("button", name="Save", exact=True).click()

    wait_for_text(answers_of(page), "Receive.")
    wait_for_text(answers_of(page), "2 / 2")
    wait_for_text(answers_of(page), "Edited by you")


def test_cut_answer_goes_on_in_its_place(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    ask(page, speaker, "The alphabet", "A, B, C", finish_reason="length")

    page.get_by_role("button", name="Continue").click()
    speaker.answer(", D, E.")

    wait_for_text(answers_of(page), "A, B, C, D, E.")
    wait_for_end(page)
    assert answers_of(page).count() == 1


def test_message_is_deleted_with_what_follows_once_confirmed(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    ask(page, speaker, "One", "First answer.")
    ask(page, speaker, "Two", "Second answer.")

    questions_of(page).last.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep").click()
    expect(questions_of(page)).to_have_count(2)
    questions_of(page).last.get_by_role("button", name="Delete").click()
    page.get_by_role("group", name="Confirm").get_by_role("button", name="Delete").click()

    expect(questions_of(page)).to_have_count(1)
    expect(answers_of(page)).to_have_count(1)
    wait_for_text(answers_of(page), "First answer.")


def test_feedback_is_given_and_taken_back(
    listener: Visitor, speaker: SpeakingEngine, speaking_site: GatewayProcess
) -> None:
    page = listener.page
    ask(page, speaker, "Is it good?", "It is bad.")

    page.get_by_role("button", name="Bad answer").click()
    form = page.get_by_role("form", name="Feedback")
    form.get_by_label("What is wrong with it?").select_option(label="It is wrong")
    form.get_by_label("Comment").fill("It is good.")
    form.get_by_role("button", name="Send feedback").click()

    form.wait_for(state="detached")
    conversation_id = page.url.partition("#")[2]
    with speaking_site.client() as client:
        path = f"/api/conversations/{conversation_id}"
        given = client.get(path).json()["messages"][-1]["feedback"]
        assert (given["rating"], given["reason"], given["comment"]) == ("down", "wrong", "It is good.")
        page.get_by_role("button", name="Bad answer").click()
        expect(page.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "false")
        assert client.get(path).json()["messages"][-1]["feedback"] is None


def test_thoughts_are_folded_and_tool_calls_shown(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    send(page, "What is the weather?")
    speaker.think("Somebody should look.")
    answers_of(page).get_by_text("Thinking…").wait_for()
    speaker.say("I shall look.")
    answers_of(page).get_by_text("Thought for").wait_for()
    speaker.call("get_weather", '{"city": "서울"}')
    speaker.end("tool_calls")
    wait_for_end(page)

    answer = answers_of(page)
    expect(answer.get_by_text("Somebody should look.")).not_to_be_visible()
    answer.locator("summary", has_text="Thought").click()
    expect(answer.get_by_text("Somebody should look.")).to_be_visible()
    answer.get_by_text("Tool call: get_weather").click()
    wait_for_text(answer, '"city": "서울"')


def refuse_once(page: Page, status: int, code: str, retry_after_s: int) -> None:
    """The next message is refused by the gateway with this, and those after it are not."""

    def refuse(route: Route) -> None:
        error = {"message": "refused", "type": "x", "param": None, "code": code}
        route.fulfill(
            status=status,
            headers={"Retry-After": str(retry_after_s), "Content-Type": "application/json"},
            body=json.dumps({"error": error}),
        )

    page.route("**/api/chat", refuse, times=1)


def test_message_is_sent_by_itself_once_the_model_is_loaded(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    box_of(page).wait_for()
    refuse_once(page, 503, "model_loading", 1)

    send(page, "Patience")
    answers_of(page).get_by_text("The model is being loaded.").wait_for()
    listener.forgive("status of 503")
    speaker.answer("Here I am.")

    wait_for_text(answers_of(page), "Here I am.")
    wait_for_end(page)
    assert questions_of(page).count() == 1


def test_limit_says_when_to_try_again(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    box_of(page).wait_for()
    refuse_once(page, 429, "rate_limit_exceeded", 2)

    send(page, "Too fast")
    notice = answers_of(page).get_by_role("alert")
    wait_for_text(notice, "You can try again in")
    expect(notice.get_by_role("button", name="Try again")).to_be_enabled()
    listener.forgive("status of 429")
    speaker.answer("Not too fast now.")
    notice.get_by_role("button", name="Try again").click()

    wait_for_text(answers_of(page), "Not too fast now.")
    wait_for_end(page)
