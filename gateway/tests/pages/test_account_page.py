"""The account page in a browser: each test has an account of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.ids import new_id
from gateway.tests.live import GatewayProcess, wait_until
from gateway.tests.pages.browsers import PHONE, Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Person:
    name: str
    password: str


@pytest.fixture
def person(site: GatewayProcess) -> Person:
    name = f"person-{new_id()}"
    return Person(name, site.manage("create_user", name, "--quiet").strip())


def open_account(visitor: Visitor, person: Person, *, part: str = "") -> Page:
    """Sign in, and go to a part of the page."""
    page = visitor.page
    page.goto(f"{visitor.url}/sign-in/?next=/account/")
    fill_sign_in(page, person.name, person.password)
    page.get_by_role("heading", name="Account", exact=True).wait_for()
    if part:
        page.get_by_role("navigation", name="Sections").get_by_role("link", name=part).click()
    return page


def fill_sign_in(page: Page, name: str, password: str) -> None:
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    page.locator("form button[type=submit]").click()


def log_in(site: GatewayProcess, name: str, password: str) -> str:
    """The access token of a session elsewhere."""
    answer = httpx.post(f"{site.url}/api/auth/login", json={"username": name, "password": password})
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def ask_elsewhere(site: GatewayProcess, token: str, path: str) -> httpx.Response:
    """As a program asks that is not the page."""
    return httpx.get(f"{site.url}{path}", headers={"Authorization": f"Bearer {token}"})


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
    page.get_by_role("radio", name="As the system").check()
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


def test_session_elsewhere_is_ended(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    elsewhere = log_in(site, person.name, person.password)
    page = open_account(visitor, person, part="Sessions")
    sessions = page.get_by_role("list", name="Sessions").get_by_role("listitem")

    sessions.filter(has_text="python-httpx").get_by_role("button", name="End python-httpx").click()
    page.get_by_role("dialog").get_by_role("button", name="End").click()

    page.get_by_role("dialog").wait_for(state="detached")
    assert "This one" in sessions.inner_text()
    assert ask_elsewhere(site, elsewhere, "/api/auth/me").status_code == 401


def test_all_other_sessions_are_ended_at_once(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    tokens = [log_in(site, person.name, person.password) for _ in range(2)]
    page = open_account(visitor, person, part="Sessions")

    page.get_by_role("button", name="End all others").click()
    page.get_by_role("dialog", name="End 2 sessions?").get_by_role("button", name="End").click()

    page.get_by_role("dialog").wait_for(state="detached")
    assert [ask_elsewhere(site, token, "/api/auth/me").status_code for token in tokens] == [401, 401]
    page.reload()
    page.get_by_role("heading", name="Account", exact=True).wait_for()


def create_key(page: Page, name: str) -> str:
    """The key that is shown."""
    page.get_by_role("button", name="Create a key").click()
    dialog = page.get_by_role("dialog", name="Create a key")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_role("button", name="Create key").click()
    return (
        page.get_by_role("group", name=f"Your new key: {name}")
        .get_by_label("API key", exact=True)
        .inner_text()
    )


def test_key_works_until_it_is_revoked(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    page = open_account(visitor, person, part="API keys")

    key = create_key(page, "Laptop")

    assert ask_elsewhere(site, key, "/v1/models").status_code == 200
    page.reload()
    row = page.get_by_role("list", name="API keys").get_by_role("listitem").filter(has_text="Laptop")
    row.get_by_text("Chat, See models").wait_for()
    assert key not in page.content()
    row.get_by_role("button", name="Revoke Laptop").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke key").click()
    page.get_by_text("1 key that has ended").click()
    page.get_by_text("Revoked", exact=True).wait_for()
    assert ask_elsewhere(site, key, "/v1/models").status_code == 401


def test_shown_lines_are_ready_to_be_used(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    page = open_account(visitor, person, part="API keys")

    key = create_key(page, "Script")

    for name in ("curl", "Python, with the openai package", "Continue, in config.yaml"):
        page.get_by_text(name, exact=True).click()
        lines = page.get_by_label(name, exact=True).inner_text()
        assert key in lines
        assert f"{site.url}/v1" in lines


def test_key_is_copied(chromium: Browser, site: GatewayProcess, person: Person) -> None:
    with visiting(chromium, site.url, permissions=["clipboard-read", "clipboard-write"]) as visitor:
        page = open_account(visitor, person, part="API keys")
        key = create_key(page, "Copied")

        page.get_by_role("button", name="Copy API key").click()

        page.get_by_role("status").get_by_text("Copied").wait_for(state="attached")
        assert page.evaluate("navigator.clipboard.readText()") == key


def test_key_does_no_more_than_it_was_made_for(
    visitor: Visitor, person: Person, site: GatewayProcess
) -> None:
    page = open_account(visitor, person, part="API keys")

    page.get_by_role("button", name="Create a key").click()
    dialog = page.get_by_role("dialog", name="Create a key")
    dialog.get_by_label("Name").fill("Search")
    dialog.get_by_label("Chat").uncheck()
    dialog.get_by_label("See models").uncheck()
    dialog.get_by_label("Embeddings").check()
    dialog.get_by_label("Expires").select_option("30")
    dialog.get_by_role("button", name="Create key").click()

    key = page.get_by_label("API key", exact=True).inner_text()
    assert ask_elsewhere(site, key, "/v1/models").status_code == 200
    assert ask_elsewhere(site, key, "/api/models/profiles").status_code == 403
    row = page.get_by_role("list", name="API keys").get_by_role("listitem").filter(has_text="Search")
    assert "May: Embeddings" in row.inner_text()
    assert "expires" in row.inner_text()


def test_rotated_key_and_its_successor_both_work(
    visitor: Visitor, person: Person, site: GatewayProcess
) -> None:
    page = open_account(visitor, person, part="API keys")
    old = create_key(page, "Server")

    page.get_by_role("button", name="Rotate Server").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate key").click()
    page.get_by_text("Replaced", exact=True).wait_for()

    new = page.get_by_label("API key", exact=True).inner_text()
    assert new != old
    assert [ask_elsewhere(site, key, "/v1/models").status_code for key in (old, new)] == [200, 200]


def test_key_is_renamed(visitor: Visitor, person: Person) -> None:
    page = open_account(visitor, person, part="API keys")
    create_key(page, "Old name")

    page.get_by_role("button", name="Change Old name").click()
    page.get_by_role("dialog").get_by_label("Name").fill("New name")
    page.get_by_role("button", name="Save key").click()

    row = page.get_by_role("list", name="API keys").get_by_role("listitem").filter(has_text="New name")
    row.get_by_text("never used").wait_for()


def ask_model(page: Page) -> None:
    """One answer, asked for in the tab as the chat page does."""
    page.evaluate(
        """async () => {
            const api = await import("/static/pages/js/api.js");
            const messages = [{ role: "user", content: "Hello" }];
            await api.ask("POST", "/api/chat", { body: { model: "current", stream: false, messages } });
        }"""
    )


def test_what_is_left_of_the_limits_is_known_after_an_answer(visitor: Visitor, person: Person) -> None:
    page = open_account(visitor, person, part="Limits")
    limits = page.get_by_role("region", name="Limits")
    limits.get_by_text("What is left is known after your next answer in this tab.").wait_for()

    ask_model(page)
    page.reload()

    meter = limits.get_by_role("meter", name="Requests")
    meter.wait_for()
    assert meter.get_attribute("aria-valuetext") == "99,999 of 100,000 left"
    assert "full again in" in limits.inner_text()


def test_usage_is_shown_once_there_is_some(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    page = open_account(visitor, person, part="Usage")
    usage = page.get_by_role("region", name="Usage", exact=True)
    usage.get_by_text("Nothing was used in this time.").wait_for()

    ask_model(page)
    token = log_in(site, person.name, person.password)
    wait_until(lambda: ask_elsewhere(site, token, "/api/usage").json()["totals"]["requests"])
    page.reload()

    usage.get_by_role("img", name="Chart of tokens and requests by day.").locator("canvas").wait_for()
    models = usage.get_by_role("table", name="Usage by model").get_by_role("row")
    assert models.nth(1).inner_text().split()[:2] == ["simulated", "1"]
    usage.get_by_text("Numbers by day").click()
    assert usage.get_by_role("table", name="Usage by day").get_by_role("row").count() == 2
    usage.get_by_label("By key").check()
    usage.get_by_role("row", name="No key: signed in").wait_for()


def test_range_of_usage_is_downloaded(visitor: Visitor, person: Person) -> None:
    page = open_account(visitor, person, part="Usage")
    page.get_by_label("7 days").check()

    with page.expect_download() as started:
        page.get_by_role("button", name="Download CSV").click()

    assert started.value.suggested_filename.startswith("usage-")
    assert started.value.path().read_text().startswith("day,model,key_id,key_name,requests")


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

        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
