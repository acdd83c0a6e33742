"""Models are added at the desk: by name, by a pasted line, by a compose file, from the file of profiles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.pages.browsers import Visitor, visiting
from modelops.tests.domain.fit_examples import make_config
from modelops.tests.profiles.fake_hub import COMMIT, FakeHub, FakeRepository, start_fake_hub

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

FIND = "/admin/modelops/modelprofile/find/"
RELOAD = "/admin/modelops/modelprofile/reload/"
NAMES = ("maker/by-name", "maker/by-line", "maker/by-file")
PREPARE = """
from modelops.models import ModelProfile
from modelops.tests.fit_rows import record
from modelops.tests.switch_rows import announce_switcher
announce_switcher()
record()
"""
CHANGE = """
from modelops.models import ModelProfile
row = ModelProfile.objects.get(slug="qwen2-7b-instruct")
row.max_num_seqs = 7
row.seeded_values["max_num_seqs"] = 7
row.save()
ModelProfile.objects.filter(slug="phi3-mini").delete()
"""
COMPOSE = """
services:
  proxy: {image: "nginx:1"}
  llm:
    image: vllm/vllm-openai:v0.9.1
    command: --model maker/by-file --max-model-len 4096
    ports: ["8000:8000"]
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with start_fake_hub() as running:
        for name in NAMES:
            running.repositories[name] = FakeRepository(
                files={"config.json": json.dumps(make_config()).encode()},
                sizes={"model.safetensors": 16 << 30},
                parameters={"BF16": 8 << 30},
            )
        yield running


@pytest.fixture(scope="module")
def hub_site(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, hub: FakeHub
) -> Iterator[GatewayProcess]:
    """A gateway that asks the imitated hub, with the shipped profiles and a reading of two RTX 3090s."""
    cache = str(tmp_path_factory.mktemp("cache"))
    folder = tmp_path_factory.mktemp("adding")
    with start_gateway(embedded_stores, folder, "", HF_ENDPOINT=hub.url, HF_HUB_CACHE=cache) as gateway:
        gateway.manage("load_profiles")
        gateway.manage("shell", "--no-imports", "-c", PREPARE)
        yield gateway


@pytest.fixture
def operator(chromium: Browser, hub_site: GatewayProcess) -> Iterator[Visitor]:
    with visiting(chromium, hub_site.url) as visitor:
        visitor.sign_in("/admin/", username="admin")
        yield visitor


def look_up(page: Page, card: str) -> None:
    section = page.locator("section.card", has=page.get_by_role("heading", name=card))
    section.get_by_role("button", name="Look it up").click()
    page.locator("#proposal").wait_for()


def read_settings(page: Page) -> dict[str, str]:
    rows = page.locator("#proposed-settings tbody tr").all()
    return {row.locator("th").inner_text(): row.locator("td").inner_text() for row in rows}


def test_model_is_added_by_its_name_and_switched_to(operator: Visitor) -> None:
    page = operator.page
    page.goto(f"{operator.url}{FIND}")

    page.get_by_label("Repository").fill("maker/by-name")
    look_up(page, "From Hugging Face")
    assert page.locator("#proposal").get_by_text(COMMIT).first.is_visible()
    assert page.locator("#proposal .fit-verdict").inner_text() == "fits"
    page.get_by_role("button", name="Save, enable and switch").click()
    page.get_by_role("heading", name="Switch to by-name").wait_for()
    page.get_by_role("button", name="Switch to by-name").click()

    page.locator("#switch-state").get_by_text("Requested", exact=True).wait_for()


def test_model_is_added_by_a_pasted_line(operator: Visitor) -> None:
    page = operator.page
    page.goto(f"{operator.url}{FIND}")

    page.get_by_label("Command").fill("vllm serve maker/by-line \\\n  -tp 2 --max-model-len 4k --port 8000")
    look_up(page, "From a command")
    settings = read_settings(page)
    page.get_by_label("Name of the profile").fill("pasted")
    page.get_by_role("button", name="Save", exact=True).click()

    assert (settings["tensor_parallel_size"], settings["max_model_len"]) == ("2", "4000")
    page.get_by_text("Saved pasted, disabled.").wait_for()
    assert page.get_by_text("This profile is disabled").is_visible()
    assert page.locator("#id_tensor_parallel_size").input_value() == "2"


def test_model_is_added_by_a_compose_file_from_the_disk(operator: Visitor, tmp_path: Path) -> None:
    page, path = operator.page, tmp_path / "docker-compose.yml"
    path.write_text(COMPOSE)
    page.goto(f"{operator.url}{FIND}")

    page.get_by_label("or choose the file").set_input_files(path)
    look_up(page, "From a file")
    left_out = page.locator("#left-out").inner_text()
    page.get_by_role("button", name="Save", exact=True).click()

    assert "ports" in left_out
    page.get_by_text("Saved by-file, disabled.").wait_for()
    assert page.locator("#id_image").input_value() == "vllm/vllm-openai:v0.9.1"


def test_file_of_profiles_is_loaded_as_its_difference_was_shown(
    operator: Visitor, hub_site: GatewayProcess
) -> None:
    page = operator.page
    hub_site.manage("shell", "--no-imports", "-c", CHANGE)
    page.goto(f"{operator.url}/admin/modelops/modelprofile/")

    page.get_by_role("link", name="Reload YAML").click()
    difference = page.locator("table.difference", has=page.get_by_text("max_num_seqs")).last
    difference.wait_for()
    assert "7" in difference.inner_text()
    assert page.locator("details summary").get_by_text("phi3-mini").is_visible()
    page.get_by_role("button", name="Load as shown").click()
    page.get_by_text("The file of profiles is loaded: 1 was created, 1 was changed.").wait_for()

    page.goto(f"{operator.url}{RELOAD}")
    page.get_by_text("there is nothing to load").wait_for()
