"""A shared conversation in the browser of somebody without an account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.pages.browsers import visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def sharing_site(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    """A gateway that lets accounts share."""
    folder = tmp_path_factory.mktemp("sharing")
    with start_gateway(embedded_stores, folder, simulator, SHARED_LINKS="true") as gateway:
        yield gateway


@pytest.fixture
def link(sharing_site: GatewayProcess) -> dict[str, Any]:
    with sharing_site.client() as client:
        said = {"content": "Is <b>this</b> **bold**?", "max_tokens": 40}
        answer = client.post("/api/chat", json=said).raise_for_status().json()
        made = client.post(f"/api/conversations/{answer['conversation_id']}/shares", json={})
        link: dict[str, Any] = made.raise_for_status().json()
        return link


def test_whoever_has_the_link_reads_the_conversation(
    chromium: Browser, sharing_site: GatewayProcess, link: dict[str, Any]
) -> None:
    with visiting(chromium, sharing_site.url) as reader:
        answered = reader.page.goto(reader.url + link["page"])
        reader.page.get_by_role("heading", name="Is <b>this</b> **bold**?").wait_for()

        assert reader.page.locator("article.is-own .bubble").inner_text() == "Is <b>this</b> **bold**?"
        assert reader.page.locator("article.is-answer .markdown").inner_text()
        assert answered is not None
        headers = answered.headers
        assert (headers["x-robots-tag"], headers["referrer-policy"]) == ("noindex", "no-referrer")


def test_link_that_was_revoked_says_so(
    chromium: Browser, sharing_site: GatewayProcess, link: dict[str, Any]
) -> None:
    with sharing_site.client() as client:
        client.delete(f"/api/shares/{link['id']}").raise_for_status()
    with visiting(chromium, sharing_site.url) as reader:
        reader.page.goto(reader.url + link["page"])

        reader.page.get_by_text("This link does not work, or not any more.").wait_for()

        # Chromium says on the console that an answer had the status 404.
        assert [complaint for complaint in reader.complaints if "404" not in complaint] == []
        reader.complaints.clear()
