"""Limits, usage, shared links and one's data on the account page, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.pages.account_page import (
    Person,
    ask_elsewhere,
    ask_model,
    create_person,
    log_in,
    open_account,
    person,
)
from gateway.tests.pages.browsers import Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["person"]

pytestmark = pytest.mark.browser

CHART_COLOURS = """(canvas) => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const colours = new Set();
    for (let at = 0; at < pixels.length; at += 4) {
        if (pixels[at + 3] === 255) colours.add(pixels.slice(at, at + 3).join());
    }
    return [...colours].sort();
}"""
"""The full colours of a chart: of its lines, bars and words."""


@pytest.fixture(scope="module")
def site(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    """A gateway on which conversations may be shared."""
    folder = tmp_path_factory.mktemp("site")
    with start_gateway(embedded_stores, folder, simulator, SHARED_LINKS="true") as gateway:
        yield gateway


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


def test_what_is_left_is_not_told_to_who_signs_in_next(
    visitor: Visitor, person: Person, site: GatewayProcess
) -> None:
    page = open_account(visitor, person)
    ask_model(page)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in/**")

    open_account(visitor, create_person(site), part="Limits")

    limits = page.get_by_role("region", name="Limits")
    limits.get_by_text("What is left is known after your next answer in this tab.").wait_for()


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


def test_chart_takes_the_colours_of_the_theme_that_is_chosen(
    visitor: Visitor, person: Person, site: GatewayProcess
) -> None:
    page = open_account(visitor, person, part="Usage")
    ask_model(page)
    token = log_in(site, person.name, person.password)
    wait_until(lambda: ask_elsewhere(site, token, "/api/usage").json()["totals"]["requests"])
    page.reload()
    chart = page.get_by_role("img", name="Chart of tokens and requests by day.").locator("canvas")
    light = chart.evaluate(CHART_COLOURS)

    page.get_by_role("radio", name="Dark").check()

    dark = chart.evaluate(CHART_COLOURS)
    assert dark != light
    page.reload()
    chart.wait_for()
    assert chart.evaluate(CHART_COLOURS) == dark


def test_range_of_usage_is_downloaded(visitor: Visitor, person: Person) -> None:
    page = open_account(visitor, person, part="Usage")
    page.get_by_label("7 days").check()

    with page.expect_download() as started:
        page.get_by_role("button", name="Download CSV").click()

    assert started.value.suggested_filename.startswith("usage-")
    assert started.value.path().read_text().startswith("day,model,key_id,key_name,requests")


def test_shared_link_is_revoked(visitor: Visitor, person: Person, site: GatewayProcess) -> None:
    page = open_account(visitor, person, part="Shared links")
    page.get_by_text("You share no conversation.").wait_for()
    conversation_id = ask_model(page)
    path = page.evaluate(
        """async (id) => {
            const api = await import("/static/pages/js/api.js");
            return (await api.askJson("POST", `/api/conversations/${id}/shares`, { body: {} })).path;
        }""",
        conversation_id,
    )
    assert httpx.get(f"{site.url}{path}").status_code == 200
    page.reload()

    page.get_by_role("button", name="Revoke the link to Hello").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke link").click()

    page.get_by_text("You share no conversation.").wait_for()
    assert httpx.get(f"{site.url}{path}").status_code == 404


def test_account_is_copied_and_deleted_and_its_conversations_come_back_in_another(
    visitor: Visitor, person: Person, site: GatewayProcess, chromium: Browser, tmp_path: Path
) -> None:
    page = open_account(visitor, person, part="My data")
    ask_model(page)
    token = log_in(site, person.name, person.password)

    page.get_by_role("button", name="Delete my account").click()
    dialog = page.get_by_role("dialog", name="Delete your account?")
    with page.expect_download() as started:
        dialog.get_by_role("button", name="Download my data first").click()
    started.value.save_as(tmp_path / "copy.zip")
    delete = dialog.get_by_role("button", name="Delete for good")
    dialog.get_by_label("Password").fill(person.password)
    assert delete.is_disabled()
    dialog.get_by_label("Type your user name").fill(person.name)
    delete.click()

    page.get_by_text("Your account and everything stored with it were deleted.").wait_for()
    assert ask_elsewhere(site, token, "/api/auth/me").status_code == 401
    import_into_another_account(site, chromium, tmp_path / "copy.zip")


def import_into_another_account(site: GatewayProcess, chromium: Browser, file: Path) -> None:
    other = create_person(site)
    with visiting(chromium, site.url) as visitor:
        page = open_account(visitor, other, part="My data")

        page.get_by_label("File", exact=True).set_input_files(file)
        page.get_by_label("Only check what would be imported").check()
        page.get_by_role("button", name="Check file").click()
        page.get_by_text("Would be imported: 1 conversation, 2 messages, 0 files").wait_for()
        page.get_by_label("Only check what would be imported").uncheck()
        page.get_by_role("button", name="Import").click()

        page.get_by_text("Imported: 1 conversation, 2 messages, 0 files").wait_for()
