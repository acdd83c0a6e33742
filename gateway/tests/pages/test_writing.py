"""The box to write in, in a browser: keys, input methods, drafts, long texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from gateway.tests.live import GatewayProcess, wait_until
from gateway.tests.pages.browsers import PHONE, Visitor, visiting
from gateway.tests.pages.chats import answers_of, box_of, questions_of, send, wait_for_end, wait_for_text
from gateway.tests.pages.speaking_engine import SpeakingEngine

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

pytestmark = pytest.mark.browser

ENTER = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}


class InputMethod:
    """Composes in Chromium as an input method of the system does."""

    def __init__(self, page: Page) -> None:
        self.session: CDPSession = page.context.new_cdp_session(page)

    def compose(self, text: str) -> None:
        position = len(text)
        self.session.send(
            "Input.imeSetComposition", {"text": text, "selectionStart": position, "selectionEnd": position}
        )

    def commit(self, text: str) -> None:
        self.session.send("Input.insertText", {"text": text})

    def press_enter(self, *, is_processed: bool) -> None:
        """`is_processed`: the input method took the key, and the browser only reports it."""
        code = {"windowsVirtualKeyCode": 229} if is_processed else {"text": "\r"}
        self.session.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **ENTER, **code})
        self.session.send("Input.dispatchKeyEvent", {"type": "keyUp", **ENTER})


def question_texts(speaker: SpeakingEngine, since: int) -> list[Any]:
    return [asked["messages"][-1]["content"] for asked in speaker.asked[since:]]


@pytest.mark.parametrize("reports_enter_twice", [False, True])
def test_enter_while_hangul_is_composed_sends_the_whole_message_once(
    listener: Visitor, speaker: SpeakingEngine, reports_enter_twice: bool
) -> None:
    page, since = listener.page, len(speaker.asked)
    box_of(page).focus()
    method = InputMethod(page)
    method.compose("ㅇ")
    method.compose("안")
    method.commit("안")
    method.commit("녕하세")
    method.compose("요")

    method.press_enter(is_processed=True)
    method.commit("요")
    if reports_enter_twice:
        method.press_enter(is_processed=False)

    wait_for_text(questions_of(page), "안녕하세요")
    speaker.answer("네, 안녕하세요.")
    wait_for_end(page)
    assert question_texts(speaker, since) == ["안녕하세요"]
    assert questions_of(page).count() == 1
    assert box_of(page).input_value() == ""


@pytest.mark.parametrize(
    ("composed", "chosen"), [("にほんご", "日本語"), ("ni'hao", "你好"), ("한자", "漢字")]
)
def test_enter_that_chooses_what_an_input_method_offers_sends_nothing(
    listener: Visitor, speaker: SpeakingEngine, composed: str, chosen: str
) -> None:
    page, since = listener.page, len(speaker.asked)
    box_of(page).focus()
    method = InputMethod(page)
    method.compose(composed)

    method.press_enter(is_processed=True)
    method.commit(chosen)

    assert box_of(page).input_value() == chosen
    assert questions_of(page).count() == 0
    method.press_enter(is_processed=False)
    wait_for_text(questions_of(page), chosen)
    speaker.answer("OK")
    wait_for_end(page)
    assert question_texts(speaker, since) == [chosen]


SAFARI = """(box, [composed, final]) => {
    const fire = (type, data) => box.dispatchEvent(new CompositionEvent(type, { data, bubbles: true }));
    box.focus();
    fire("compositionstart", "");
    fire("compositionupdate", composed);
    box.value = final;
    box.dispatchEvent(new InputEvent("input", { bubbles: true }));
    fire("compositionend", final);
    box.dispatchEvent(new KeyboardEvent("keydown", {
        key: "Enter", code: "Enter", keyCode: 229, bubbles: true, cancelable: true,
    }));
}"""
"""Safari ends the composition first, and reports the key afterwards as one of the input method."""


def test_safari_sends_hangul_at_once_and_japanese_by_a_second_enter(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page, since = listener.page, len(speaker.asked)
    box_of(page).evaluate(SAFARI, ["にほんご", "日本語"])
    assert box_of(page).input_value() == "日本語"
    box_of(page).evaluate(SAFARI, ["요", "안녕하세요"])

    wait_for_text(questions_of(page), "안녕하세요")
    speaker.answer("네")
    wait_for_end(page)
    assert question_texts(speaker, since) == ["안녕하세요"]


def test_shift_and_enter_breaks_the_line(listener: Visitor, speaker: SpeakingEngine) -> None:
    page, since = listener.page, len(speaker.asked)
    box_of(page).focus()
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    assert box_of(page).input_value() == "one\ntwo"

    page.keyboard.press("Enter")
    speaker.answer("three")

    wait_for_end(page)
    assert question_texts(speaker, since) == ["one\ntwo"]


def test_draft_survives_a_reload_and_belongs_to_its_conversation(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    send(page, "First")
    speaker.answer("Answered.")
    wait_for_end(page)
    box_of(page).fill("half a thought")
    page.reload()
    expect(box_of(page)).to_have_value("half a thought")

    page.goto(f"{listener.url}/chat/#")
    page.reload()

    box_of(page).wait_for()
    expect(box_of(page)).to_have_value("")


def test_draft_is_for_the_account_that_wrote_it(listener: Visitor) -> None:
    """Colleagues share a browser."""
    box_of(listener.page).fill("What do I do about my colleague?")
    wait_until(lambda: "colleague" in listener.page.evaluate("JSON.stringify(localStorage)"))

    listener.context.clear_cookies()
    theirs = listener.sign_in(username="admin")
    expect(box_of(theirs)).to_be_focused()
    box_of(theirs).press_sequentially("x")
    wait_until(lambda: '\\"x\\"' in theirs.evaluate("JSON.stringify(localStorage)"))

    expect(box_of(theirs)).to_have_value("x")
    listener.context.clear_cookies()
    expect(box_of(listener.sign_in())).to_have_value("What do I do about my colleague?")


def test_what_is_written_while_an_answer_comes_is_the_draft_of_its_conversation(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    send(page, "The first question")
    box_of(page).fill("The next question")
    speaker.answer("Answered.")
    wait_for_end(page)
    page.wait_for_url("**/chat/#*")
    own = page.url

    page.goto(f"{listener.url}/chat/#")
    expect(answers_of(page)).to_have_count(0)
    expect(box_of(page)).to_have_value("")
    page.goto(own)

    expect(box_of(page)).to_have_value("The next question")


def test_message_that_could_not_be_sent_is_in_the_box_after_a_reload(listener: Visitor) -> None:
    page = listener.page
    box_of(page).wait_for()
    listener.context.set_offline(True)
    send(page, "Do not lose this")
    answers_of(page).get_by_role("alert").wait_for()
    listener.context.set_offline(False)
    listener.forgive("ERR_INTERNET_DISCONNECTED")

    page.reload()

    expect(box_of(page)).to_have_value("Do not lose this")


def test_message_that_failed_goes_back_to_the_box(listener: Visitor) -> None:
    page = listener.page
    box_of(page).wait_for()
    listener.context.set_offline(True)
    send(page, "Let me rephrase")
    page.get_by_role("button", name="Edit before sending").click()
    listener.context.set_offline(False)
    listener.forgive("ERR_INTERNET_DISCONNECTED")

    expect(box_of(page)).to_have_value("Let me rephrase")
    assert questions_of(page).count() == 0


def test_long_paste_is_taken_whole(listener: Visitor, speaker: SpeakingEngine) -> None:
    page, since = listener.page, len(speaker.asked)
    text = "0123456789 abcdefghi\n" * 10_000
    listener.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    box_of(page).focus()
    page.keyboard.press("Control+V")
    wait_until(lambda: len(box_of(page).input_value()) == len(text), what="the whole text in the box")

    page.keyboard.press("Enter")
    wait_until(lambda: len(speaker.asked) > since, what="the question")
    speaker.answer("That is long.")

    wait_for_end(page)
    assert question_texts(speaker, since) == [text.strip()]


def test_arrow_up_in_an_empty_box_edits_the_last_message(listener: Visitor, speaker: SpeakingEngine) -> None:
    page, since = listener.page, len(speaker.asked)
    send(page, "Helo")
    speaker.answer("Hello.")
    wait_for_end(page)
    questions_of(page).get_by_role("button", name="Edit").wait_for()
    box_of(page).focus()
    page.keyboard.press("ArrowUp")
    editor = page.get_by_role("textbox", name="Edit message")
    expect(editor).to_be_focused()

    editor.fill("Hello")
    page.keyboard.press("Enter")
    speaker.answer("Hello again.")

    wait_for_text(answers_of(page), "Hello again.")
    wait_for_end(page)
    assert question_texts(speaker, since) == ["Helo", "Hello"]
    expect(questions_of(page)).to_contain_text("2 / 2")


def test_enter_breaks_the_line_where_one_writes_on_the_screen(
    chromium: Browser, speaking_site: GatewayProcess, speaker: SpeakingEngine
) -> None:
    with visiting(chromium, speaking_site.url, viewport=PHONE, has_touch=True, is_mobile=True) as visitor:
        page = visitor.sign_in()
        box_of(page).wait_for()
        assert page.evaluate("document.activeElement === document.body")  # no keyboard over the page
        box_of(page).tap()
        page.keyboard.type("one")
        page.keyboard.press("Enter")
        page.keyboard.type("two")
        assert box_of(page).input_value() == "one\ntwo"

        page.get_by_role("button", name="Send", exact=True).tap()
        speaker.answer("Done.")

        wait_for_end(page)
        expect(answers_of(page)).to_contain_text("Done.")
