"""The account page in a browser: who one is, in which language and light, and how one signs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.tests.live import GatewayProcess, wait_until
from gateway.tests.pages.account_page import (
    Person,
    ask_elsewhere,
    ask_model,
    create_key,
    log_in,
    open_account,
    person,
)
from gateway.tests.pages.browsers import PHONE, Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["person"]

pytestmark = pytest.mark.browser


def test_profile_is_there_again_after_a_reload(visitor: Visitor, person: Person) -> None:
    page = open_account(visitor, person)
    page.get_by_label("E-mail").fill(f"{person.name}@example.org")
    page.get_by_label("Your own instructions").fill("Answer in one sentence.")
    page.get_by_role("button", name="Save profile").click()
    page.get_by_text("Saved.").wait_for()

    page.reload()

    page.get_by_role("heading", name="Account", exact=True).wait_for()
    assert page.get_by_label("User name").input_value() == person.name
    assert page.get_by_label("E-mail").input_value() == f"{person.name}@example.org"
    assert page.get_by_label("Your own instructions").input_value() == "Answer in one sentence."


def test_page_is_read_in_the_language_that_was_chosen(visitor: Visitor, person: Person) -> None:
    page = open_account(visitor, person)

    page.get_by_label("Language").select_option("ko")
    page.get_by_role("button", name="Save profile").click()

    page.locator("html[lang=ko] #locale").wait_for()
    assert page.locator("#locale").input_value() == "ko"
    assert page.locator(".notice.is-good").count() == 1


def test_theme_is_kept_in_the_browser(visitor: Visitor, person: Person) -> None:
    page = open_account(visitor, person)
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.get_by_role("radio", name="Dark").check()
    page.reload()

    page.get_by_role("radio", name="Dark", checked=True).wait_for()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.get_by_role("radio", name="Same as the system").check()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light


def test_changed_password_leaves_this_page_signed_in_and_nobody_else(
    visitor: Visitor, person: Person, site: GatewayProcess
) -> None:
    page = open_account(visitor, person)
    elsewhere = log_in(site, person.name, person.password)

    page.get_by_label("Current password").fill(person.password)
    page.get_by_label("New password", exact=True).fill("a new and long phrase")
    page.get_by_label("New password again").fill("a new and long phrase")
    page.get_by_role("button", name="Change password").click()

    page.get_by_text("Your password was changed.").wait_for()
    assert page.get_by_label("User name").input_value() == person.name
    assert ask_elsewhere(site, elsewhere, "/api/auth/me").status_code == 401
    token = log_in(site, person.name, "a new and long phrase")
    sessions = ask_elsewhere(site, token, "/api/auth/sessions").json()["data"]
    assert sorted(row["kind"] for row in sessions) == ["cookie", "tokens"]


def test_refused_password_is_said_at_its_field(visitor: Visitor, person: Person) -> None:
    page = open_account(visitor, person)

    page.get_by_label("Current password").fill(person.password)
    page.get_by_label("New password", exact=True).fill("one long phrase")
    page.get_by_label("New password again").fill("another long phrase")
    page.get_by_role("button", name="Change password").click()

    problem = page.locator("#repeated-password-problem")
    problem.wait_for()
    assert page.get_by_label("New password again").get_attribute("aria-invalid") == "true"


def test_one_signs_out_of_the_page(visitor: Visitor, person: Person) -> None:
    page = open_account(visitor, person)

    page.get_by_role("button", name="Sign out").click()

    page.wait_for_url("**/sign-in/**")
    page.goto(f"{visitor.url}/account/")
    page.wait_for_url("**/sign-in/**")


def test_browsers_find_the_icon_where_they_look_for_it(site: GatewayProcess) -> None:
    icon = httpx.get(f"{site.url}/favicon.ico", follow_redirects=True)

    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")


def test_page_fits_a_phone(chromium: Browser, site: GatewayProcess, person: Person) -> None:
    with visiting(chromium, site.url, viewport=PHONE) as visitor:
        page = open_account(visitor, person)
        ask_model(page)
        create_key(page, "A name that is about as long as names of keys may be, and some more words")
        page.get_by_text("curl", exact=True).click()
        token = log_in(site, person.name, person.password)
        wait_until(lambda: ask_elsewhere(site, token, "/api/usage").json()["totals"]["requests"])
        page.get_by_label("7 days").check()
        page.locator(".chart canvas").wait_for()

        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.get_by_role("button", name="Create a key").click()
        box = page.get_by_role("dialog").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]


@pytest.mark.parametrize("how", ["Escape", "Cancel"])
def test_focus_goes_back_to_what_opened_a_dialog(visitor: Visitor, person: Person, how: str) -> None:
    page = open_account(visitor, person, part="API keys")
    opener = page.get_by_role("button", name="Create a key")
    opener.click()
    page.get_by_role("dialog").wait_for()

    if how == "Escape":
        page.keyboard.press("Escape")
    else:
        page.get_by_role("button", name="Cancel").click()

    page.get_by_role("dialog").wait_for(state="detached")
    assert opener.evaluate("element => element === document.activeElement")
