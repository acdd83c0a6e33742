"""From `make run` to a first answer on the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.tests.pages.browsers import visiting
from gateway.tests.pages.chats import answers_of, send, wait_for_text
from gateway.tests.test_make_run import EmbeddedGateway, password_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


def test_newcomer_signs_in_with_the_printed_password_and_reads_an_answer(
    chromium: Browser, tmp_path: Path
) -> None:
    started = EmbeddedGateway(tmp_path)
    try:
        password = password_of("demo", started.await_greeting())
        with visiting(chromium, started.url) as newcomer:
            newcomer.page.goto(newcomer.url)
            newcomer.page.get_by_label("User name or e-mail").fill("demo")
            newcomer.page.get_by_label("Password", exact=True).fill(password)
            newcomer.page.get_by_role("button", name="Sign in", exact=True).click()

            send(newcomer.page, "Hello! Who are you?")

            wait_for_text(answers_of(newcomer.page).first, "simulated")
        started.interrupt()
    finally:
        started.process.kill()
