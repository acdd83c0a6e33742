"""The desk's pages of profiles: what fits, what would help, and what a form would become."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.pages.browsers import DESKTOP, PHONE, Visitor, visiting
from gateway.tests.pages.test_accessibility import axe, findings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["axe"]  # a fixture

pytestmark = pytest.mark.browser

LIST = "/admin/modelops/modelprofile/"
PREPARE = """
from modelops.tests.domain.fit_examples import make_config
from modelops.tests.fit_rows import record, save_profile
from modelops.tests.switch_rows import make_ready, serve
make_ready("first", "second")
serve("second")
config = make_config(max_position_embeddings=131072)
for slug in ("long", "edited"):
    save_profile(slug, max_model_len=131072, tensor_parallel_size=1, config=config)
record()
"""


@pytest.fixture(scope="module")
def desk_site(embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway whose switcher is a row, with profiles and a reading of two RTX 3090s."""
    with start_gateway(embedded_stores, tmp_path_factory.mktemp("desk"), "") as gateway:
        gateway.manage("shell", "--no-imports", "-c", PREPARE)
        yield gateway


@pytest.fixture
def operator(chromium: Browser, desk_site: GatewayProcess) -> Iterator[Visitor]:
    with visiting(chromium, desk_site.url) as visitor:
        visitor.sign_in(LIST, username="admin")
        yield visitor


def test_operator_applies_a_suggestion_and_asks_for_the_switch(operator: Visitor) -> None:
    page = operator.page
    row = page.locator("#result_list tbody tr", has=page.get_by_role("link", name="long", exact=True))
    assert page.locator("#result_list tbody tr").first.get_by_text("Served").is_visible()

    row.get_by_role("link", name="does not fit").click()
    page.get_by_role("img", name="Other processes").wait_for()
    page.get_by_role("link", name="Use this: --tensor-parallel-size 2").click()
    page.get_by_role("heading", name="Change long").wait_for()
    assert page.locator("#verdict-after").inner_text().strip() == "fits"
    page.get_by_role("button", name="Apply and switch").click()
    page.get_by_role("heading", name="Switch to long").wait_for()
    assert page.get_by_text("Saved long: tensor_parallel_size: 1 → 2.").is_visible()
    page.get_by_role("button", name="Switch to long").click()

    page.locator("#switch-state").get_by_text("Requested", exact=True).wait_for()
    page.goto(f"{operator.url}{LIST}")
    assert page.get_by_role("link", name="Watch the switch to long").is_visible()


def test_two_clicks_lead_from_the_list_to_a_switch(operator: Visitor) -> None:
    page = operator.page

    page.get_by_role("link", name="Switch to first").click()
    page.get_by_role("button", name="Switch to first").click()

    page.locator("#switch-state").get_by_text("Requested", exact=True).wait_for()


def test_verdict_follows_what_is_typed_and_nothing_is_saved(
    operator: Visitor, desk_site: GatewayProcess
) -> None:
    page = operator.page
    page.get_by_role("link", name="edited", exact=True).click()
    line, length = page.locator("#profile-verdict"), page.locator("#id_max_model_len")
    line.get_by_text("does not fit").wait_for()

    length.fill("8192")
    line.get_by_text("fits", exact=True).wait_for()
    length.fill("131072")
    page.get_by_role("button", name="Use this: --tensor-parallel-size 2").click()
    line.get_by_text("fits", exact=True).wait_for()
    assert page.locator("#id_tensor_parallel_size").input_value() == "2"
    page.locator("#id_slug").fill("no slug")
    line.get_by_text("One field is not valid").wait_for()

    page.reload()
    line.get_by_text("does not fit").wait_for()
    assert page.locator("#id_slug").input_value() == "edited"


@pytest.mark.parametrize("width", [390, 1280])
def test_lists_and_reports_are_no_wider_than_the_screen(
    chromium: Browser, desk_site: GatewayProcess, width: int
) -> None:
    with visiting(chromium, desk_site.url, viewport={**PHONE, "width": width}) as visitor:
        page = visitor.sign_in(LIST, username="admin")
        results = page.locator("#changelist .results")
        assert results.evaluate("list => list.scrollWidth - list.clientWidth") <= 0

        page.goto(f"{visitor.url}{LIST}fit/?profile=long&profile=edited")
        page.get_by_role("img", name="Other processes").first.wait_for()

        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_profiles_have_no_serious_finding(
    chromium: Browser, desk_site: GatewayProcess, axe: str, scheme: str, size: dict[str, int]
) -> None:
    look = {"color_scheme": scheme, "viewport": size, "reduced_motion": "reduce"}
    with visiting(chromium, desk_site.url, **look) as visitor:
        page = visitor.sign_in(LIST, username="admin")
        form = page.get_by_role("link", name="edited", exact=True).get_attribute("href") or ""
        preview = form.replace("change/", "apply/") + "?max_model_len=4096"
        found = {}
        for path in (LIST, f"{LIST}fit/?profile=edited", preview, f"{LIST}find/", f"{LIST}reload/", form):
            page.goto(f"{visitor.url}{path}")
            page.wait_for_load_state("networkidle")
            assert visitor.complaints == [], path
            found[path] = findings(page, axe)
            visitor.complaints.clear()  # of axe itself, which cannot read every sheet

        assert [each for each in found.items() if each[1]] == []
