"""Markdown of answers in a browser: shown as it streams, never run, copied as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from gateway.tests.live import wait_until
from gateway.tests.pages.browsers import Visitor
from gateway.tests.pages.chats import answers_of, send, wait_for_end, wait_for_text
from gateway.tests.pages.speaking_engine import SpeakingEngine

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SAMPLE = """# Title

Some **bold** text, `code` and a [link](https://example.org/a).

1. one
2. two

| name | value |
|------|------:|
| a    |     1 |

```python
def add(a, b):
    return a + b
```

Euler: $e^{i\\pi} + 1 = 0$, and

$$
\\int_0^1 x^2 \\, dx = \\frac{1}{3}
$$
"""


def ask(page: Page, speaker: SpeakingEngine, answer: str) -> None:
    send(page, "Go on")
    speaker.answer(answer)
    wait_for_end(page)


def test_answer_is_shown_as_markdown_with_code_tables_and_maths(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    page = listener.page

    ask(page, speaker, SAMPLE)

    answer = answers_of(page)
    expect(answer.get_by_role("heading", name="Title")).to_be_visible()
    expect(answer.locator("strong")).to_have_text("bold")
    link = answer.get_by_role("link", name="link")
    assert link.get_attribute("rel") == "noopener noreferrer nofollow"
    assert link.get_attribute("target") == "_blank"
    expect(answer.get_by_role("cell", name="1", exact=True)).to_be_visible()
    expect(answer.locator(".hljs-keyword").first).to_have_text("def")
    expect(answer.locator("math")).to_have_count(2)


def test_copies_are_the_source(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    listener.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, speaker, SAMPLE)

    answers_of(page).get_by_role("button", name="Copy message").click()
    expect(answers_of(page).get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.readText()") == SAMPLE

    answers_of(page).get_by_role("button", name="Copy code").click()
    code = "def add(a, b):\n    return a + b"
    wait_until(lambda: page.evaluate("navigator.clipboard.readText()") == code, what="the copy")


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>window.hacked = 1</script>",
        "<img src=x onerror='window.hacked = 1'>",
        "[press](javascript:window.hacked=1)",
        "![spy](https://spy.example/pixel.png)",
        "<style>body { display: none }</style>",
        "$\\href{javascript:window.hacked=1}{x}$ and $\\includegraphics{https://spy.example/a.png}$",
    ],
)
def test_what_a_model_writes_is_never_run_nor_loaded(
    listener: Visitor, speaker: SpeakingEngine, hostile: str
) -> None:
    page = listener.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    ask(page, speaker, hostile)

    answer = answers_of(page)
    expect(answer.locator(".markdown")).not_to_be_empty()
    assert answer.locator(".markdown").locator("script, style, img, [onerror]").count() == 0
    assert answer.locator('a[href^="javascript"]').count() == 0
    assert page.evaluate("window.hacked") is None
    assert [url for url in asked if "spy.example" in url] == []


def test_ten_thousand_nested_quotations_stay_text(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page

    ask(page, speaker, ">" * 10_000 + " deep")

    wait_for_text(answers_of(page), "> deep")
    assert answers_of(page).locator("blockquote").count() == 0


def test_maths_that_is_opened_and_never_closed_is_read_once(
    listener: Visitor, speaker: SpeakingEngine
) -> None:
    """And where Markdown looks back, what is closed stays maths."""
    page = listener.page

    ask(page, speaker, "An [ open \\(x^2\\) link " + "\\(" * 100_000 + " the end")

    wait_for_text(answers_of(page), "the end")
    expect(answers_of(page).locator("math")).to_have_count(1)


def test_what_is_half_written_does_not_change_its_kind(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    answer = answers_of(page)
    send(page, "A table, a list and code")
    speaker.say("Look:\n\n| name | value |\n")
    expect(answer.locator("th")).to_have_count(2)
    speaker.say("|--")
    expect(answer.locator("th")).to_have_count(2)
    speaker.say("----|---|\n| a | 1 |\n\nA paragraph\n-")
    wait_for_text(answer, "A paragraph")
    assert answer.locator("h2").count() == 0

    speaker.say(" item\n\n```py\nx = 1\n")
    expect(answer.locator("figure pre")).to_have_text("x = 1")
    speaker.say("``")
    speaker.say("`\n\n$$\nx^2")
    expect(answer.locator(".maths.is-open")).to_have_text("x^2")
    speaker.say("\n$$\n")
    speaker.end()

    wait_for_end(page)
    expect(answer.locator("li")).to_have_text("item")
    expect(answer.locator("figure pre")).to_have_text("x = 1")
    expect(answer.locator("math")).to_have_count(1)


def test_finished_blocks_are_not_rendered_again(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    send(page, "Two paragraphs")
    speaker.say("The first one.\n\nThe second")
    wait_for_text(answers_of(page), "The second")
    first = answers_of(page).locator("p", has_text="The first one.")
    handle = first.element_handle()

    speaker.say(" one goes on.\n\nA third one.")
    wait_for_text(answers_of(page), "A third one.")

    assert handle is not None
    assert handle.evaluate("element => element.isConnected")
    speaker.end()
    wait_for_end(page)
    answers_of(page).get_by_role("button", name="Copy message").wait_for()
    assert handle.evaluate("element => element.isConnected")


def test_sixty_thousand_lines_stay_usable(listener: Visitor, speaker: SpeakingEngine) -> None:
    page = listener.page
    send(page, "A very long answer")
    lines = [f"Line {number}." for number in range(60_000)]
    blocks = ["\n".join(lines[start : start + 6]) for start in range(0, len(lines), 6)]
    speaker.say("\n\n".join(blocks))
    speaker.end()
    wait_for_end(page)

    expect(answers_of(page)).to_contain_text("Line 59999.", timeout=60_000)

    page.get_by_role("textbox", name="Message", exact=True).fill("Still here")
    expect(page.get_by_role("textbox", name="Message", exact=True)).to_have_value("Still here")
