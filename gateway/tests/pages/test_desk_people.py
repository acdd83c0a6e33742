"""People at the desk, in a browser: limits, keys, sessions, the audit and usage."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from gateway.tests.live import GatewayProcess, wait_until
from gateway.tests.pages.account_page import Person, ask_elsewhere, log_in, person
from gateway.tests.pages.browsers import PHONE, Visitor, visiting
from gateway.tests.pages.test_accessibility import LOOKS, axe, findings, looking

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

__all__ = ["axe", "person"]

pytestmark = pytest.mark.browser

MOST_CLICKS = 3
"""From the front page of the desk to what is wanted."""


class Clicks:
    """Clicks that are counted. What is typed, and sent by Enter, is none."""

    def __init__(self) -> None:
        self.count = 0

    def on(self, target: Locator) -> None:
        self.count += 1
        target.click()


def go_to_person(page: Page, person: Person, clicks: Clicks) -> None:
    """From the front page to the account's page, with two clicks."""
    clicks.on(page.get_by_role("navigation", name="Subjects").get_by_role("link", name="People"))
    search_for(page, person.name)
    clicks.on(page.get_by_role("link", name=person.name, exact=True))
    page.get_by_role("heading", name="Limits in force").wait_for()


def search_for(page: Page, words: str) -> None:
    page.locator("#searchbar").fill(words)
    page.locator("#searchbar").press("Enter")
    page.wait_for_url("**?q=*")


def issue_key(site: GatewayProcess, person: Person, name: str) -> str:
    token = log_in(site, person.name, person.password)
    answer = httpx.post(
        f"{site.url}/api/keys",
        headers={"Authorization": f"Bearer {token}"},
        json={"name": name, "scopes": ["chat", "models:read"]},
    )
    answer.raise_for_status()
    return str(answer.json()["key"])


def limits_of(site: GatewayProcess, person: Person) -> dict[str, dict[str, int]]:
    token = log_in(site, person.name, person.password)
    limits: dict[str, dict[str, int]] = ask_elsewhere(site, token, "/api/auth/me").json()["limits"]
    return limits


def is_wider_than_the_screen(page: Page) -> bool:
    return bool(page.evaluate("() => document.documentElement.scrollWidth > innerWidth"))


def test_limit_is_raised_with_three_clicks(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    page, clicks = visitor.sign_in("/admin/", "admin"), Clicks()

    go_to_person(page, person, clicks)
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Requests", exact=True))
    filled = card.get_by_label("At most").input_value()
    card.get_by_label("At most").fill("250000")
    clicks.on(card.get_by_role("button", name="Set the limit of this account: Requests"))

    page.get_by_text("The limit of this account is set. Requests: 250,000 per minute.").wait_for()
    assert clicks.count <= MOST_CLICKS
    assert filled == "100000"
    assert card.get_by_text("set for this account").is_visible()
    assert limits_of(site, person)["requests"] == {"limit": 250_000, "window_s": 60}


def test_limit_that_means_nothing_is_refused_in_words(visitor: Visitor, person: Person) -> None:
    page = visitor.sign_in("/admin/", "admin")
    go_to_person(page, person, Clicks())

    page.locator("#id_tokens_value").fill("5")
    page.locator("#id_tokens_window_s").fill("99999999")
    page.get_by_role("button", name="Set the limit of this account: Tokens").click()

    page.get_by_text("Ensure this value is less than or equal to 2678400.").wait_for()
    page.get_by_label("Seconds").fill("86400")
    page.get_by_role("button", name="Set").click()
    page.get_by_text("The limit of this account is set. Tokens: 5 per day.").wait_for()


def test_key_is_revoked_with_three_clicks_and_stops_working(
    visitor: Visitor, person: Person, site: GatewayProcess
) -> None:
    key = issue_key(site, person, "build server")
    assert ask_elsewhere(site, key, "/v1/models").status_code == 200
    page, clicks = visitor.sign_in("/admin/", "admin"), Clicks()

    clicks.on(page.get_by_role("link", name="API keys"))
    search_for(page, person.name)
    clicks.on(page.get_by_label("Revoke the key build server"))
    before = ask_elsewhere(site, key, "/v1/models").status_code
    clicks.on(page.get_by_role("button", name="Revoke it"))

    page.get_by_text("is revoked. It stopped working.").wait_for()
    assert clicks.count <= MOST_CLICKS
    answer = ask_elsewhere(site, key, "/v1/models")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_revoked")
    assert before == 200


def test_question_before_a_key_is_revoked_is_asked_with_the_keyboard_too_and_can_be_left(
    visitor: Visitor, person: Person, site: GatewayProcess
) -> None:
    key = issue_key(site, person, "build server")
    page = visitor.sign_in("/admin/", "admin")
    go_to_person(page, person, Clicks())
    button, answer = (
        page.get_by_label("Revoke the key build server"),
        page.get_by_role("button", name="Revoke it"),
    )

    button.press("Enter")
    page.keyboard.press("Tab")
    expect(answer).to_be_focused()
    page.keyboard.press("Escape")
    expect(answer).to_be_hidden()
    expect(button).to_be_focused()
    left = ask_elsewhere(site, key, "/v1/models").status_code
    button.press("Enter")
    answer.press("Enter")

    page.get_by_text("is revoked. It stopped working.").wait_for()
    assert (left, ask_elsewhere(site, key, "/v1/models").status_code) == (200, 401)
    assert page.get_by_label("Revoke the key build server").count() == 0


def test_person_is_logged_out_everywhere(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    tokens = [log_in(site, person.name, person.password) for _time in range(2)]
    page = visitor.sign_in("/admin/", "admin")
    go_to_person(page, person, Clicks())

    page.get_by_text("Log out everywhere", exact=True).click()
    page.get_by_role("button", name="Log out now").click()

    page.get_by_text(f"Logged out everywhere: 2 sessions of {person.name} ended.").wait_for()
    assert {ask_elsewhere(site, token, "/api/auth/me").status_code for token in tokens} == {401}


def test_audit_is_filtered_and_what_is_filtered_downloaded(
    visitor: Visitor, person: Person, site: GatewayProcess, tmp_path: Path
) -> None:
    issue_key(site, person, "laptop")
    page = visitor.sign_in("/admin/", "admin")
    page.get_by_role("navigation", name="Subjects").get_by_role("link", name="Audit").click()

    for label, text in (("actor", person.name), ("action", "key_issued")):
        page.get_by_label(label, exact=True).fill(text)
        page.get_by_label(label, exact=True).press("Enter")
        page.wait_for_url(f"**{text}*")
    rows = page.locator("#result_list tbody tr")
    shown = rows.count()
    with page.expect_download() as download:
        page.get_by_role("link", name="What is filtered, as CSV").click()

    file = tmp_path / "audit.csv"
    download.value.save_as(file)
    [event] = list(csv.DictReader(file.read_text().splitlines()))
    assert shown == 1
    assert (event["actor_name"], event["action"]) == (person.name, "key_issued")
    assert event["target_label"].startswith("laptop")


def test_use_is_drawn_by_account(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    key = issue_key(site, person, "asking")
    body = {"model": "current", "stream": False, "messages": [{"role": "user", "content": "Hello"}]}
    httpx.post(
        f"{site.url}/v1/chat/completions", headers={"Authorization": f"Bearer {key}"}, json=body
    ).raise_for_status()
    token = log_in(site, person.name, person.password)
    wait_until(lambda: ask_elsewhere(site, token, "/api/usage").json()["totals"]["requests"])
    page = visitor.sign_in("/admin/", "admin")
    page.goto(f"{visitor.url}/admin/accounts/dailyusage/")

    page.get_by_role("link", name="Charts").click()
    page.get_by_role("link", name="By account").click()
    page.get_by_role("link", name="7 days").click()

    for chart in ("#tokens-chart", "#requests-chart"):
        page.locator(f"{chart} canvas").wait_for()
    assert page.locator("#tokens-chart .u-legend").get_by_text(person.name).is_visible()
    table = page.get_by_role("region", name="Those who used most")
    assert (
        table.get_by_role("row").filter(has_text=person.name).get_by_text("1", exact=True).first.is_visible()
    )
    assert page.get_by_role("region", name="Numbers by day").get_by_role("row").count() == 8


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 800}], ids=["phone", "1280"])
def test_pages_about_people_are_no_wider_than_the_screen(
    chromium: Browser, site: GatewayProcess, person: Person, viewport: dict[str, int]
) -> None:
    issue_key(site, person, "a key with quite a long name, as people give them to find them again")
    with visiting(chromium, site.url, viewport=viewport) as visitor:
        page = visitor.sign_in("/admin/", "admin")
        go_to_person(page, person, Clicks())
        seen = {"person": is_wider_than_the_screen(page)}
        for path in ("accounts/user/", "accounts/auditevent/", "accounts/dailyusage/charts/?by=user"):
            page.goto(f"{visitor.url}/admin/{path}")
            seen[path] = is_wider_than_the_screen(page)

    assert not [path for path, is_wider in seen.items() if is_wider]


@pytest.mark.parametrize("look", LOOKS)
def test_pages_about_people_have_no_serious_finding(
    chromium: Browser, site: GatewayProcess, person: Person, axe: str, look: dict[str, Any]
) -> None:
    issue_key(site, person, "laptop")
    with looking(chromium, site, look) as visitor:
        page = visitor.sign_in("/admin/", "admin")
        page.goto(f"{visitor.url}/admin/accounts/user/?q={person.name}")
        page.get_by_role("link", name=person.name, exact=True).click()
        page.locator("#sessions").wait_for()
        found = findings(page, axe)
        for path in ("accounts/auditevent/", "accounts/dailyusage/charts/?by=user"):
            page.goto(f"{visitor.url}/admin/{path}")
            page.wait_for_load_state("networkidle")
            found += findings(page, axe)
        # What axe-core does itself to read a style sheet that another one imports, as Django's do.
        visitor.forgive("Applying inline style")
        visitor.forgive("Couldn't load preload assets")

    assert found == []
