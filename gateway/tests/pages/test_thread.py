"""Messages of a conversation in a browser: asked, answered, stopped, failed and tried again."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from gateway.tests.live import GatewayProcess, wait_until
from gateway.tests.pages.browsers import Visitor
from gateway.tests.pages.chats import answers_of, box_of, questions_of, send, wait_for_end, wait_for_text
from gateway.tests.pages.speaking_engine import SpeakingEngine

pytestmark = pytest.mark.browser


def test_answer_comes_as_it_is_written_and_says_who_wrote_it(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    send(page, "Good morning")
    speaker.say("Good ")
    wait_for_text(answers_of(page), "Good")
    assert page.get_by_role("button", name="Stop", exact=True).is_visible()

    speaker.say("day.")
    speaker.end()

    wait_for_end(page)
    expect(answers_of(page)).to_contain_text("Good day.")
    expect(answers_of(page)).to_contain_text("speaker")
    expect(answers_of(page)).to_contain_text("20 tokens")
    expect(questions_of(page)).to_contain_text("Good morning")


def test_conversation_is_shown_again_after_a_reload(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    send(page, "Remember this")
    speaker.answer("I shall.")
    wait_for_end(page)
    page.wait_for_url("**/chat/#*")

    page.reload()

    wait_for_text(questions_of(page), "Remember this")
    wait_for_text(answers_of(page), "I shall.")


def test_stop_keeps_what_came(
    listener: Visitor, speaker: SpeakingEngine, speaking_site: GatewayProcess
) -> None:
    page = listener.page
    send(page, "Tell me a long story")
    speaker.say("Once upon a time")
    wait_for_text(answers_of(page), "Once upon a time")

    page.get_by_role("button", name="Stop", exact=True).click()

    wait_for_end(page)
    speaker.fall_silent()
    expect(answers_of(page)).to_contain_text("Once upon a time")
    expect(answers_of(page)).to_contain_text("Stopped.")
    expect(page.get_by_role("status").filter(has_text="The answer was stopped.")).to_have_count(1)
    conversation_id = page.url.partition("#")[2]
    with speaking_site.client() as client:
        answer = client.get(f"/api/conversations/{conversation_id}").json()["messages"][-1]
    assert (answer["status"], answer["content"]) == ("cancelled", "Once upon a time")


def test_answer_is_stopped_before_its_first_word(listener: Visitor, speaker: SpeakingEngine) -> None:
    page, since = listener.page, len(speaker.asked)
    send(page, "Never mind")
    wait_until(lambda: len(speaker.asked) > since, what="the question")

    page.get_by_role("button", name="Stop", exact=True).click()

    wait_for_end(page)
    speaker.fall_silent()
    wait_for_text(answers_of(page), "Stopped before anything was written.")


def test_conversation_that_is_not_there_is_said_to_be_missing(listener: Visitor) -> None:
    page = listener.page
    page.goto(f"{listener.url}/chat/#00000000-0000-4000-8000-000000000000")

    page.get_by_text("There is no such conversation.").wait_for()
    listener.forgive("status of 404")


def test_failure_is_said_in_its_place_and_tried_again(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    speaker.refusal = (500, {"error": {"message": "out of order"}})
    send(page, "Are you there?")
    notice = answers_of(page).get_by_role("alert")
    notice.wait_for()
    expect(questions_of(page)).to_contain_text("Are you there?")
    listener.forgive("status of 50")

    speaker.refusal = None
    speaker.answer("Yes, I am.")
    notice.get_by_role("button", name="Try again").click()

    wait_for_text(answers_of(page), "Yes, I am.")
    wait_for_end(page)
    assert answers_of(page).count() == 1
    assert questions_of(page).count() == 1


def test_failure_within_an_answer_keeps_its_text(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    send(page, "Count to ten")
    speaker.say("One, two")
    wait_for_text(answers_of(page), "One, two")

    speaker.fall_silent()

    answers_of(page).get_by_role("alert").wait_for()
    expect(answers_of(page)).to_contain_text("One, two")
    page.reload()
    wait_for_text(answers_of(page), "One, two")
    answers_of(page).get_by_role("button", name="Try again").wait_for()


def test_server_that_cannot_be_reached_leaves_the_message_to_be_sent_again(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    box_of(page).wait_for()
    listener.context.set_offline(True)
    send(page, "Into the void")
    answers_of(page).get_by_role("alert").wait_for()
    listener.forgive("ERR_INTERNET_DISCONNECTED")
    listener.context.set_offline(False)

    speaker.answer("Out of the void.")
    page.get_by_role("region", name="Messages").get_by_role("button", name="Try again").click()

    wait_for_text(answers_of(page), "Out of the void.")
    wait_for_end(page)


def test_question_is_asked_once_however_often_it_is_sent(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    before = len(speaker.asked)
    box_of(page).fill("Only once")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    speaker.answer("Once.")

    wait_for_end(page)
    wait_until(lambda: len(speaker.asked) > before, what="the question")
    assert len(speaker.asked) == before + 1


def test_refused_first_message_opens_its_conversation(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    speaker.refusal = (400, {"error": {"message": "top_k is too high"}})
    send(page, "The very first")

    answers_of(page).get_by_role("alert").wait_for()
    listener.forgive("status of 400")
    page.wait_for_url("**/chat/#*")
    sidebar = page.get_by_role("navigation", name="Conversations")
    expect(sidebar.get_by_role("link", name="The very first")).to_have_count(1)
    expect(answers_of(page)).to_contain_text("top_k is too high")
    page.reload()
    expect(answers_of(page)).to_contain_text("top_k is too high")
    speaker.refusal = None
    speaker.answer("Now I can.")
    answers_of(page).get_by_role("button", name="Try again").click()

    wait_for_text(answers_of(page), "Now I can.")
    wait_for_end(page)
    assert questions_of(page).count() == answers_of(page).count() == 1
