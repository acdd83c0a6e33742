"""What docs/site_hooks.py makes of links that are written for readers of the repository."""

from __future__ import annotations

import importlib.util
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gateway.conf import BASE_DIR


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    found = importlib.util.spec_from_file_location("site_hooks", BASE_DIR / "docs" / "site_hooks.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "written", "shown"),
    [
        ("README.md", "[a](docs/limits.md#usage)", "[a](limits.md#usage)"),
        ("README.md", "![a](docs/pictures/chat-light.png)", "![a](pictures/chat-light.png)"),
        ("docs/upgrading.md", "[a](../CHANGELOG.md)", "[a](CHANGELOG.md)"),
        ("docs/adr/0001-two-planes.md", "[a](../../ARCHITECTURE.md)", "[a](../ARCHITECTURE.md)"),
        ("docs/clients.md", "see [a lock](../requirements/clients-lock.txt).", "see a lock."),
        ("README.md", "[decisions](docs/adr/)", "decisions"),
        ("docs/clients.md", "[a](nowhere.md)", "[a](nowhere.md)"),
        (
            "docs/clients.md",
            "[a](#here) [b](https://example.com/docs/)",
            "[a](#here) [b](https://example.com/docs/)",
        ),
    ],
)
def test_links_lead_into_the_site(hooks: ModuleType, source: str, written: str, shown: str) -> None:
    assert hooks.lead_links(written, source) == shown


def test_code_stays_as_it_is_written(hooks: ModuleType) -> None:
    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri="README.md"))
    code = "```md\n[a](docs/limits.md)\n```"

    shown = hooks.on_page_markdown(f"[a](docs/limits.md)\n\n{code}\n", page=page, config=None, files=None)

    assert shown == f"[a](limits.md)\n\n{code}\n"


def test_korean_pages_say_so_and_fetched_things_are_told(
    hooks: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri="install.ko.md"))
    own = (
        '<html lang="en" class="a"><link rel="canonical" href="http://127.0.0.1:8000/install/">'
        '<link href="assets/a.css"><a href="https://example.com">b</a>'
    )
    foreign = '<script src="https://cdn.example.com/a.js">'

    shown = hooks.on_post_page(own + foreign, page=page, config=None)

    assert shown.startswith('<html lang="ko" class="a">')
    assert [record.args for record in caplog.records] == [("install.ko.md", foreign)]
