"""The shell of the operators' desk: its navigation, theme and language, and that it fits the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.test import RequestFactory

from gateway.templatetags.desk import desk_navigation
from gateway.tests.admin_pages import registered_pages
from gateway.tests.live import GatewayProcess
from gateway.tests.pages.browsers import DESKTOP, PHONE, Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LAPTOP = {"width": 1280, "height": 800}


def seen(*models: str) -> list[dict[str, Any]]:
    """As the admin tells its templates which lists a user may see."""
    return [
        {
            "app_label": model.split(".")[0],
            "models": [{"object_name": model.split(".")[1], "admin_url": f"/admin/{model.lower()}/"}],
        }
        for model in models
    ]


def titles(path: str, *models: str) -> tuple[list[str], list[str]]:
    """What the navigation names at a path: the subjects, and the pages of the open one."""
    context = {"request": RequestFactory().get(path), "available_apps": seen(*models)}
    shown = desk_navigation(context)
    return [str(link.title) for link in shown["subjects"]], [str(link.title) for link in shown["pages"]]


def test_navigation_names_only_what_may_be_seen() -> None:
    subjects, pages = titles("/admin/", "modelops.ModelProfile", "accounts.Limit")

    assert subjects == ["Desk", "Profiles", "People"]
    assert pages == []


def test_pages_of_a_subject_are_named_while_one_of_them_is_open() -> None:
    _subjects, pages = titles("/admin/accounts.limit/3/change/", "accounts.User", "accounts.Limit")

    assert pages == ["Accounts", "Limits"]


def test_every_list_of_the_admin_is_in_the_navigation() -> None:
    models = [model._meta.label for model in registered_pages()]
    unnamed = [label for label in models if len(titles("/admin/", label)[0]) != 2]

    # Named where people sign in at a provider, which OIDC_ISSUER says.
    assert unnamed == ["accounts.ExternalIdentity"]


@pytest.fixture
def operator(chromium: Browser, site: GatewayProcess) -> Iterator[Visitor]:
    with visiting(chromium, site.url) as visitor:
        visitor.sign_in("/admin/", "admin")
        yield visitor


def widest_overflow(page: Page) -> int:
    """By how many pixels the page is wider than the screen."""
    overflow: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return overflow


@pytest.mark.browser
@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_no_list_is_wider_than_the_screen(operator: Visitor, size: dict[str, int]) -> None:
    operator.page.set_viewport_size(size)  # type: ignore[arg-type]
    paths = [f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in registered_pages()]

    wider = {}
    for path in ["/admin/", "/admin/accounts/user/add/", "/admin/password_change/", *paths]:
        operator.page.goto(operator.url + path)
        if overflow := widest_overflow(operator.page):
            wider[path] = overflow

    assert wider == {}


@pytest.mark.browser
def test_subject_leads_to_its_page_and_is_marked(operator: Visitor) -> None:
    page = operator.page

    page.get_by_role("navigation", name="Subjects").get_by_role("link", name="People").click()
    page.get_by_role("navigation", name="Pages of this subject").get_by_role("link", name="Limits").click()

    page.wait_for_url("**/admin/accounts/limit/")
    assert page.locator(".desk-pages [aria-current=page]").inner_text() == "Limits"


@pytest.mark.browser
def test_theme_that_was_chosen_on_the_desk_holds_on_the_other_pages(operator: Visitor) -> None:
    page = operator.page
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.locator("#desk-account summary").click()
    page.get_by_label("Theme").select_option("dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.goto(f"{operator.url}/account/")
    page.locator("main").wait_for()

    assert dark != light
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.browser
def test_language_of_the_desk_is_the_accounts(chromium: Browser, site: GatewayProcess) -> None:
    with visiting(chromium, site.url, viewport=DESKTOP) as visitor:
        page = visitor.sign_in("/admin/", "admin")
        page.locator("#desk-account summary").click()
        page.get_by_role("button", name="한국어").click()

        page.get_by_role("navigation", name="주제").get_by_role("link", name="프로필").wait_for()
        assert page.locator("html").get_attribute("lang") == "ko"

        page.locator("#desk-account summary").click()
        page.get_by_role("button", name="English").click()
        page.get_by_role("navigation", name="Subjects").wait_for()


@pytest.mark.browser
def test_account_menu_closes_by_escape_and_gives_the_focus_back(operator: Visitor) -> None:
    page = operator.page
    page.locator("#desk-account summary").click()
    page.get_by_role("link", name="Change password").focus()

    page.keyboard.press("Escape")

    assert not page.get_by_role("link", name="Change password").is_visible()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
