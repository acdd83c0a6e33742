"""The front door, and signing in and out, in a browser."""

from __future__ import annotations

import httpx
import pytest

from gateway.tests.live import GatewayProcess
from gateway.tests.pages.browsers import Visitor

pytestmark = pytest.mark.browser


def test_browser_is_led_to_the_chat_page_by_way_of_signing_in(visitor: Visitor) -> None:
    visitor.page.goto(visitor.url)
    assert visitor.page.url == f"{visitor.url}/sign-in/?next=/chat/"

    visitor.sign_in()

    visitor.page.goto(visitor.url)
    visitor.page.wait_for_url("**/chat/")


def test_program_is_told_what_there_is(site: GatewayProcess) -> None:
    answers = [
        httpx.get(site.url, headers=headers)
        for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"})
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert {answer.json()["links"]["chat_page"] for answer in answers} == {"/chat/"}


def test_wrong_password_is_said_in_place(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.url}/sign-in/")
    visitor.page.fill("#id_username", "demo")
    visitor.page.fill("#id_password", "wrong")
    visitor.page.get_by_role("button", name="Sign in").click()

    visitor.page.get_by_role("alert").wait_for()
    assert visitor.page.input_value("#id_username") == "demo"
