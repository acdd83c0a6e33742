"""Whether everybody can use the pages, as axe-core judges them: in both themes, at a desk and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from gateway.tests.budgets import has_full_budget
from gateway.tests.live import GatewayProcess
from gateway.tests.needs import NeedMissing, find_axe, skip_loudly
from gateway.tests.pages.browsers import DESKTOP, PHONE, Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

ALL_LOOKS = [
    pytest.param(
        {"color_scheme": scheme, "viewport": size, "locale": locale}, id=f"{scheme}, {name}, {locale}"
    )
    for scheme in ("light", "dark")
    for name, size in (("desktop", DESKTOP), ("phone", PHONE))
    for locale in ("en-US", "ko-KR")
]
# The half in which every scheme meets every size, and both of them every language.
LOOKS = ALL_LOOKS if has_full_budget() else [ALL_LOOKS[number] for number in (0, 3, 5, 6)]
REPLY = "Write a table, a list and `code`, then **say** why."


@pytest.fixture(scope="module")
def axe() -> str:
    try:
        return find_axe().read_text()
    except NeedMissing as exc:
        skip_loudly("with axe-core", exc)


def findings(page: Page, axe: str) -> list[str]:
    """What is serious or critical, and where. Evaluated, as the policy of the pages lets no script in."""
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['html'][:100]} {node['failureSummary'][-150:]}"
        for violation in found["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


@contextmanager
def looking(chromium: Browser, site: GatewayProcess, look: dict[str, Any]) -> Iterator[Visitor]:
    # Half a transition is half a colour.
    with visiting(chromium, site.url, reduced_motion="reduce", **look) as visitor:
        yield visitor


@pytest.mark.parametrize("look", LOOKS)
def test_front_pages_have_no_serious_finding(
    chromium: Browser, site: GatewayProcess, axe: str, look: dict[str, Any]
) -> None:
    with looking(chromium, site, look) as visitor:
        visitor.page.goto(f"{visitor.url}/sign-in/")

        assert findings(visitor.page, axe) == []


@pytest.mark.parametrize("look", LOOKS)
def test_chat_page_has_no_serious_finding(
    chromium: Browser, site: GatewayProcess, axe: str, look: dict[str, Any]
) -> None:
    with looking(chromium, site, look) as visitor:
        page = visitor.sign_in()
        box = page.locator("textarea").first
        box.wait_for()
        page.locator(".model-button:enabled").wait_for()  # axe would see half of the change
        assert findings(page, axe) == []

        box.fill(REPLY)
        box.press("Enter")
        page.locator("article.is-answer footer").first.wait_for()

        assert findings(page, axe) == []


@pytest.mark.parametrize("look", LOOKS)
def test_account_page_has_no_serious_finding(
    chromium: Browser, site: GatewayProcess, axe: str, look: dict[str, Any]
) -> None:
    with looking(chromium, site, look) as visitor:
        page = visitor.sign_in("/account/")
        page.locator("main h2").first.wait_for()
        page.wait_for_load_state("networkidle")

        assert findings(page, axe) == []


DESK_LISTS = [
    "/admin/modelops/modelprofile/",
    "/admin/modelops/switch/",
    "/admin/modelops/hardwaresample/",
    "/admin/accounts/user/",
    "/admin/accounts/auditevent/",
]


@pytest.mark.parametrize("look", LOOKS)
def test_desk_has_no_serious_finding(
    chromium: Browser, site: GatewayProcess, axe: str, look: dict[str, Any]
) -> None:
    with looking(chromium, site, look) as visitor:
        page = visitor.sign_in("/admin/", "admin")
        page.locator("[data-slot]").wait_for()
        page.locator(".desk-feed[data-feed=live]").wait_for()
        assert findings(page, axe) == []

        page.locator("#desk-account summary").click()
        assert findings(page, axe) == []

        for path in DESK_LISTS:
            page.goto(f"{visitor.url}{path}")
            assert findings(page, axe) == [], path
