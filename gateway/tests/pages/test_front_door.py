"""The front door, and signing in, up and out, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.tests.databases import USER_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.pages.browsers import PHONE, Visitor, expect_complaint, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

PASSWORD = "a-long-enough-passphrase"


@pytest.fixture(scope="module")
def open_site(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    """A gateway where anybody may sign up, and where nobody tries often."""
    settings = {"REGISTRATION": "true", "LOGIN_RATE": "4/h"}
    folder = tmp_path_factory.mktemp("open-site")
    with start_gateway(embedded_stores, folder, simulator, **settings) as gateway:
        yield gateway


@pytest.fixture
def newcomer(chromium: Browser, open_site: GatewayProcess) -> Iterator[Visitor]:
    with visiting(chromium, open_site.url) as visitor:
        yield visitor


def fill_and_send(visitor: Visitor, button: str, **fields: str) -> None:
    for name, value in fields.items():
        visitor.page.fill(f"#id_{name}", value)
    visitor.page.get_by_role("button", name=button, exact=True).click()


def test_browser_is_led_to_the_chat_page_by_way_of_signing_in(visitor: Visitor) -> None:
    visitor.page.goto(visitor.url)
    assert visitor.page.url == f"{visitor.url}/sign-in/?next=/chat/"

    fill_and_send(visitor, "Sign in", username="demo", password=USER_PASSWORD)
    visitor.page.wait_for_url("**/chat/")

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

    fill_and_send(visitor, "Sign in", username="demo", password="wrong")

    assert "No active account matches" in visitor.page.get_by_role("alert").inner_text()
    assert visitor.page.input_value("#id_username") == "demo"


@pytest.mark.parametrize(
    "address", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"]
)
def test_signing_in_leads_nowhere_else(visitor: Visitor, address: str) -> None:
    visitor.page.goto(f"{visitor.url}/sign-in/?next={address}")
    fill_and_send(visitor, "Sign in", username="demo", password=USER_PASSWORD)

    visitor.page.wait_for_url(f"{visitor.url}/chat/")


def test_signing_in_comes_back_to_the_conversation(visitor: Visitor) -> None:
    conversation = "/chat/#01a22b9c-9882-7763-ba69-142cac80e09a"
    visitor.page.goto(f"{visitor.url}/sign-in/?next={conversation}")

    fill_and_send(visitor, "Sign in", username="demo", password=USER_PASSWORD)

    visitor.page.wait_for_url(f"**{conversation}")


def test_typed_password_can_be_looked_at(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.url}/sign-in/")
    field = visitor.page.locator("#id_password")
    assert field.get_attribute("type") == "password"

    visitor.page.get_by_role("button", name="Show").click()
    assert field.get_attribute("type") == "text"

    visitor.page.get_by_role("button", name="Hide").click()
    assert field.get_attribute("type") == "password"


def test_theme_is_chosen_before_signing_in_and_stays(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.url}/sign-in/")

    visitor.page.get_by_label("Theme").select_option("dark")
    visitor.page.reload()

    assert visitor.page.locator("html").get_attribute("data-theme") == "dark"
    assert visitor.page.get_by_label("Theme").input_value() == "dark"


def test_newcomer_signs_up_and_is_in(newcomer: Visitor) -> None:
    newcomer.page.goto(f"{newcomer.url}/sign-in/?next=/account/")
    newcomer.page.get_by_role("link", name="Sign up").click()

    fill_and_send(newcomer, "Sign up", username="mina", email="mina@example.com", password=PASSWORD)

    newcomer.page.wait_for_url("**/account/")


def test_what_is_wrong_with_a_new_account_is_said_at_its_field(newcomer: Visitor) -> None:
    newcomer.page.goto(f"{newcomer.url}/sign-up/")
    assert "at least 8 characters" in newcomer.page.locator("#password-rules").inner_text()

    fill_and_send(newcomer, "Sign up", username="jun", password="12345678")

    assert "too common" in newcomer.page.locator("#password-errors").inner_text()
    assert newcomer.page.input_value("#id_username") == "jun"
    assert newcomer.page.input_value("#id_password") == ""


def test_too_many_attempts_are_refused_in_place_with_the_time(newcomer: Visitor) -> None:
    newcomer.page.goto(f"{newcomer.url}/sign-in/")
    alert = newcomer.page.get_by_role("alert")

    for _attempt in range(5):
        fill_and_send(newcomer, "Sign in", username="demo", password="wrong")
        alert.wait_for()
        if "Too many" in alert.inner_text():
            break

    assert "Too many log-in attempts. Try again in" in alert.inner_text()
    assert newcomer.page.input_value("#id_username") == "demo"
    expect_complaint(newcomer, 429)


def test_signing_up_is_closed_unless_it_is_switched_on(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.url}/sign-up/")

    assert "Registration is switched off" in visitor.page.get_by_role("main").inner_text()
    expect_complaint(visitor, 403)


def test_wrong_address_is_answered_by_a_page_that_leads_back(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.url}/nowhere")
    expect_complaint(visitor, 404)

    visitor.page.get_by_role("link", name="To the chat page").click()

    visitor.page.wait_for_url("**/sign-in/?next=/chat/")


@pytest.mark.parametrize("path", ["/api/nowhere", "/v1/nowhere"])
def test_wrong_address_of_the_api_is_json_for_browsers_too(site: GatewayProcess, path: str) -> None:
    answer = httpx.get(site.url + path, headers={"Accept": "text/html,*/*;q=0.8"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/sign-in/", "/nowhere"])
def test_card_fits_a_phone(chromium: Browser, site: GatewayProcess, path: str) -> None:
    with visiting(chromium, site.url, viewport=PHONE, locale="ko-KR") as visitor:
        visitor.page.goto(site.url + path)

        width = visitor.page.evaluate("document.documentElement.scrollWidth")

        visitor.complaints.clear()
        assert width <= PHONE["width"]
