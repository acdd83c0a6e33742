"""The language of pages: what the browser asks for, what was chosen, what the account chose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from gateway.tests.live import GatewayProcess
from gateway.tests.pages.browsers import Visitor, expect_complaint, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture
def korean(chromium: Browser, site: GatewayProcess) -> Iterator[Visitor]:
    """Somebody whose browser is Korean."""
    with visiting(chromium, site.url, locale="ko-KR") as visitor:
        yield visitor


@pytest.fixture
def chosen_language(site: GatewayProcess) -> Iterator[None]:
    """Leaves the account as it was."""
    yield
    with site.client() as client:
        client.patch("/api/auth/me", json={"locale": ""}).raise_for_status()


def language_of(visitor: Visitor) -> str | None:
    return visitor.page.locator("html").get_attribute("lang")


def test_page_speaks_the_language_of_the_browser(korean: Visitor) -> None:
    korean.page.goto(f"{korean.url}/sign-in/")

    korean.page.get_by_role("button", name="로그인", exact=True).wait_for()
    assert language_of(korean) == "ko"


def test_refusals_of_a_form_are_in_the_language_of_the_page(korean: Visitor) -> None:
    korean.page.goto(f"{korean.url}/sign-in/")
    korean.page.fill("#id_username", "demo")
    korean.page.fill("#id_password", "wrong")
    korean.page.get_by_role("button", name="로그인", exact=True).click()

    assert "일치하는 활성 계정이 없습니다" in korean.page.get_by_role("alert").inner_text()


def test_conversation_is_had_in_korean(korean: Visitor) -> None:
    page = korean.sign_in()

    page.get_by_role("textbox", name="메시지", exact=True).fill("안녕하세요")
    page.get_by_role("button", name="보내기", exact=True).click()

    page.get_by_role("navigation", name="대화 목록").get_by_text("안녕하세요").wait_for()
    page.get_by_role("button", name="다시 답변").wait_for()


def test_language_is_switched_in_place_and_stays(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.url}/sign-in/?next=/account/")

    visitor.page.get_by_role("button", name="한국어").click()

    visitor.page.get_by_role("button", name="로그인", exact=True).wait_for()
    assert visitor.page.url.endswith("/sign-in/?next=/account/")
    visitor.sign_in()
    assert language_of(visitor) == "ko"


@pytest.mark.usefixtures("chosen_language")
def test_choice_of_the_account_comes_before_the_browser(visitor: Visitor, site: GatewayProcess) -> None:
    with site.client() as client:
        client.patch("/api/auth/me", json={"locale": "ko"}).raise_for_status()

    visitor.sign_in()

    assert language_of(visitor) == "ko"
    visitor.page.get_by_role("navigation", name="대화 목록").wait_for(state="attached")


@pytest.mark.usefixtures("chosen_language")
def test_switch_by_somebody_signed_in_is_kept_with_the_account(
    visitor: Visitor, site: GatewayProcess
) -> None:
    visitor.sign_in()
    visitor.page.goto(f"{visitor.url}/nowhere")
    visitor.complaints.clear()

    visitor.page.get_by_role("button", name="한국어").click()
    visitor.page.get_by_role("heading", name="페이지가 없습니다").wait_for()
    visitor.complaints.clear()

    with site.client() as client:
        assert client.get("/api/auth/me").json()["locale"] == "ko"


@pytest.mark.usefixtures("chosen_language")
def test_refusals_of_the_api_are_in_the_language_of_the_page_and_not_of_the_browser(
    visitor: Visitor, site: GatewayProcess
) -> None:
    with site.client() as client:
        client.patch("/api/auth/me", json={"locale": "ko"}).raise_for_status()
    page = visitor.sign_in()

    message = page.evaluate(
        """async () => {
          const { askJson } = await import("/static/pages/js/api.js");
          const path = "/api/conversations/01a22b9c-9882-7763-ba69-142cac80e09a";
          return askJson("GET", path).catch((error) => error.message);
        }"""
    )

    assert message == "해당 대화가 없습니다."
    expect_complaint(visitor, 404)
