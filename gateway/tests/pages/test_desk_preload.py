"""Weights fetched ahead from the desk: progress as it goes, cancelled, and fetched once more to the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.pages.browsers import visiting
from gateway.tests.pages.test_choices import running_switcher
from modelops.tests.runtimes.model_hub import ModelHub, start_model_hub

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

REPOSITORY = "team/model"
WEIGHTS = 8_000_000
PATIENCE_MS = 60_000
ADD_PROFILE = (
    "from modelops.tests.fit_rows import save_profile as s; "
    f"print(s('eight', repository='{REPOSITORY}', runtime='process', image='').pk)"
)


@pytest.fixture
def hub() -> Iterator[ModelHub]:
    files = {"config.json": b"{}", "model.safetensors": b"w" * WEIGHTS}
    with start_model_hub("127.0.0.1", REPOSITORY, files) as running:
        yield running


@pytest.fixture
def box(
    embedded_stores: Stores, hub: ModelHub, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway with a switcher whose hub is ours."""
    folder = tmp_path_factory.mktemp("preload")
    hub_settings = {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(folder / "hub"),
        "AUTOSTART_PROFILE": "none",
    }
    with (
        start_gateway(embedded_stores, folder, "", **hub_settings) as gateway,
        running_switcher(gateway, folder / "switcher.log"),
    ):
        yield gateway


def test_preload_shows_its_progress_is_cancelled_and_done_the_second_time(
    chromium: Browser, box: GatewayProcess, hub: ModelHub
) -> None:
    profile = box.manage("shell", "--no-imports", "-c", ADD_PROFILE).strip()
    hub.flowing.clear()
    with visiting(chromium, box.url) as visitor:
        page = visitor.sign_in(f"/admin/modelops/modelprofile/{profile}/preload/", "admin")
        state = page.locator("#preload-part .badge")

        page.get_by_role("button", name="Preload image and weights").click()
        expect(page.get_by_text(f"weights of {REPOSITORY}")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_role("progressbar", name="progress")).to_be_visible()
        page.get_by_role("button", name="Cancel the preload").click()
        expect(state).to_have_text("Cancelled", timeout=PATIENCE_MS)
        expect(page.get_by_text("What was fetched is kept.")).to_be_visible()

        hub.flowing.set()
        page.get_by_role("button", name="Preload once more").click()
        expect(state).to_have_text("Done", timeout=PATIENCE_MS)
        expect(page.get_by_text("a switch to this profile does not wait for them")).to_be_visible()
    assert "GET /team/model/resolve" in " ".join(hub.requests)
