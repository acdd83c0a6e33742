"""Files beside messages in a browser: chosen, pasted, dropped, shown and refused."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from conversations.tests.sample_files import image
from gateway.tests.live import GatewayProcess, wait_until
from gateway.tests.pages.browsers import Visitor
from gateway.tests.pages.chats import answers_of, box_of, questions_of, send, wait_for_end, wait_for_text
from gateway.tests.pages.speaking_engine import SpeakingEngine

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

GIVE = """([type, name, media, content]) => {
    const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, { type: media }));
    const about = { bubbles: true, cancelable: true };
    const event = type === "paste"
        ? new ClipboardEvent(type, { ...about, clipboardData: data })
        : new DragEvent(type, { ...about, dataTransfer: data });
    document.querySelector("textarea").dispatchEvent(event);
}"""


def give(page: Page, how: str, name: str, media_type: str, content: bytes) -> None:
    page.evaluate(GIVE, [how, name, media_type, base64.b64encode(content).decode()])


def choose(page: Page, name: str, media_type: str, content: bytes) -> None:
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": media_type, "buffer": content}
    )


def problem_of(page: Page) -> Locator:
    return page.get_by_role("list", name="Attached files").get_by_role("alert")


def test_text_file_is_sent_with_the_message(listener: Visitor, speaker: SpeakingEngine) -> None:
    page, since = listener.page, len(speaker.asked)
    box_of(page).wait_for()
    choose(page, "notes.txt", "text/plain", "회의는 세 시에 있습니다.".encode())
    attached = page.get_by_role("list", name="Attached files")
    wait_for_text(attached, "notes.txt")

    send(page, "When is the meeting?")
    speaker.answer("At three.")

    wait_for_end(page)
    wait_for_text(questions_of(page), "notes.txt")
    assert "회의는 세 시에 있습니다." in str(speaker.asked[since]["messages"][-1]["content"])
    expect(attached).to_have_count(0)


@pytest.mark.parametrize("how", ["paste", "drop"])
def test_image_is_pasted_or_dropped_and_shown(listener: Visitor, speaker: SpeakingEngine, how: str) -> None:
    page = listener.page
    box_of(page).wait_for()
    give(page, how, "picture.png", "image/png", image())
    attached = page.get_by_role("list", name="Attached files")
    expect(attached.locator("img")).to_have_js_property("complete", True)

    send(page, "What is this?")
    speaker.answer("A picture.")
    wait_for_end(page)

    page.reload()
    picture = questions_of(page).get_by_role("img", name="picture.png")
    picture.wait_for()
    assert picture.evaluate("element => element.naturalWidth") > 0


@pytest.mark.parametrize(
    ("name", "media_type", "content"),
    [("notes.txt", "text/plain", b"The meeting is at three."), ("picture.png", "image/png", image())],
)
def test_file_is_sent_without_a_word(
    listener: Visitor, speaker: SpeakingEngine, name: str, media_type: str, content: bytes
) -> None:
    page = listener.page
    button = page.get_by_role("button", name="Send", exact=True)
    expect(button).to_be_disabled()
    choose(page, name, media_type, content)

    button.click()
    speaker.answer("Thank you.")

    wait_for_end(page)
    shown = questions_of(page).get_by_role("list", name="Files")
    expect(shown.get_by_role("img", name=name).or_(shown.get_by_role("button", name=name))).to_be_visible()
    page.wait_for_url("**/chat/#*")
    page.reload()
    expect(questions_of(page)).to_have_count(1)
    wait_for_text(answers_of(page), "Thank you.")
    sidebar = page.get_by_role("navigation", name="Conversations")
    expect(sidebar.get_by_role("link", name=name).first).to_be_visible()


def test_attached_files_are_part_of_the_draft(listener: Visitor, speaker: SpeakingEngine) -> None:
    page, since = listener.page, len(speaker.asked)
    attached = page.get_by_role("list", name="Attached files")
    choose(page, "plan.txt", "text/plain", b"The plan is to stay.")
    choose(page, "view.png", "image/png", image(colour=9))
    expect(attached.get_by_text("Sending")).to_have_count(0)
    box_of(page).fill("Look at these")
    wait_until(lambda: "Look at these" in page.evaluate("JSON.stringify(localStorage)"))

    page.reload()

    expect(attached.get_by_role("listitem")).to_have_count(2)
    expect(box_of(page)).to_have_value("Look at these")
    expect(attached.locator("img")).to_have_js_property("complete", True)
    page.get_by_role("button", name="Send", exact=True).click()
    speaker.answer("I see.")
    wait_for_end(page)
    assert "The plan is to stay." in str(speaker.asked[since]["messages"][-1]["content"])
    page.reload()
    wait_for_text(answers_of(page), "I see.")
    expect(attached).to_have_count(0)


def test_attached_file_that_is_gone_by_now_says_so(
    listener: Visitor, speaker: SpeakingEngine, speaking_site: GatewayProcess
) -> None:
    page = listener.page
    choose(page, "gone.txt", "text/plain", b"Soon this is gone.")
    attached = page.get_by_role("list", name="Attached files")
    expect(attached.get_by_text("Sending")).to_have_count(0)
    wait_until(lambda: "gone.txt" in page.evaluate("JSON.stringify(localStorage)"))
    with speaking_site.client() as client:
        file_id = client.get("/api/files").json()["data"][0]["id"]
        assert client.delete(f"/api/files/{file_id}").status_code == 204

    page.reload()

    wait_for_text(problem_of(page), "no longer on the server")
    listener.forgive("status of 404")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()


def test_file_that_is_too_large_names_the_bound_and_can_be_removed(listener: Visitor) -> None:
    page = listener.page
    box_of(page).wait_for()
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(21 * 1024 * 1024)], "huge.txt", { type: "text/plain" }));
            const about = { bubbles: true, cancelable: true, dataTransfer: data };
            document.querySelector("textarea").dispatchEvent(new DragEvent("drop", about));
        }"""
    )

    wait_for_text(problem_of(page), "Files may have 20 MiB at most.")
    page.get_by_role("button", name="Remove huge.txt").click()
    expect(problem_of(page)).to_have_count(0)


def test_file_that_the_server_refuses_says_why(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    box_of(page).wait_for()

    choose(page, "program.bin", "application/octet-stream", bytes(range(256)))

    wait_for_text(problem_of(page), "none of what may be attached")
    listener.forgive("status of 400")
    send(page, "Without it")
    expect(page.get_by_text("Nothing was sent: program.bin could not be attached.")).to_be_visible()
    expect(box_of(page)).to_have_value("Without it")
    expect(questions_of(page)).to_have_count(0)

    page.get_by_role("button", name="Remove program.bin").click()
    expect(page.get_by_text("Nothing was sent")).to_have_count(0)
    box_of(page).press("Enter")
    speaker.answer("Good.")
    wait_for_text(answers_of(page), "Good.")
    wait_for_end(page)


def test_model_that_reads_no_pictures_is_said_so_now_and_later(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page
    box_of(page).wait_for()
    send(page, "Hello")
    speaker.answer("Hello.")
    wait_for_end(page)
    speaker.refusal = (400, {"error": {"message": "At most 0 image(s) may be provided in one prompt."}})

    choose(page, "picture.png", "image/png", image())
    send(page, "What is this?")
    answer = answers_of(page).last
    wait_for_text(answer, "This model does not read images.")
    speaker.refusal = None
    page.reload()

    wait_for_text(answer, "This model does not read images.")
    expect(answer.get_by_role("button", name="Good answer")).to_have_count(0)
    expect(answer).not_to_contain_text("tokens")
    listener.forgive("status of 400")
