"""A desk that stays open while PostgreSQL goes away and comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from gateway.tests.databases import Stores
from gateway.tests.live import start_gateway
from gateway.tests.pages.browsers import visiting
from gateway.tests.services import start_services

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

BACK_MS = 60_000
ADD_PROFILE = "from modelops.tests.fit_rows import save_simulated as s; s('added-later')"


def test_open_desk_says_that_the_database_is_away_and_goes_on_when_it_is_back(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("desk")
    with start_services() as services:
        stores = Stores(services.database_url, services.redis_url)
        with start_gateway(stores, folder, "") as gateway, visiting(chromium, gateway.url) as visitor:
            page = visitor.sign_in("/admin/", "admin")
            status = page.locator(".desk-feed")
            expect(status).to_have_text("Live")

            services.stop_postgres()
            expect(status).to_contain_text("The server cannot read how things are", timeout=BACK_MS)
            expect(page.get_by_role("heading", name="Today")).to_be_visible()
            services.start_postgres()
            expect(status).to_have_text("Live", timeout=BACK_MS)
            gateway.manage("shell", "--no-imports", "-c", ADD_PROFILE)

            card = page.locator("[data-profile=added-later]")
            expect(card).to_be_visible(timeout=BACK_MS)
            page.reload()
            expect(status).to_have_text("Live")
            expect(card).to_be_visible()
            visitor.forgive("status of 503")
