"""Static files as production serves them, after collectstatic; and without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.core.management import call_command
from django.templatetags.static import static
from django.test import Client
from pytest_django import Settings

from gateway.collected_files import VERSION_FILE, read_collected_version

SCRIPT = "pages/js/chat/main.js"


@pytest.fixture
def version(settings: Settings, tmp_path: Path) -> str:
    """Of all files, collected for this test."""
    settings.STATIC_ROOT = tmp_path
    call_command("collectstatic", interactive=False, verbosity=0)
    settings.STATIC_VERSION = read_collected_version(tmp_path)
    settings.WHITENOISE_USE_FINDERS = False
    return str(settings.STATIC_VERSION)


@pytest.fixture
def browser(version: str) -> Client:
    return Client(headers={"Accept-Encoding": "gzip"})


def test_collected_files_are_compressed_and_kept(browser: Client, version: str) -> None:
    answer = browser.head(static(SCRIPT))

    assert static(SCRIPT) == f"/static/~{version}/{SCRIPT}"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"].startswith("text/javascript")


def test_files_of_another_version_are_those_of_today_and_not_kept(browser: Client) -> None:
    answer = browser.head(f"/static/~0123456789ab/{SCRIPT}")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


def test_file_that_was_not_collected_is_not_found(browser: Client, version: str) -> None:
    assert browser.get(f"/static/~{version}/pages/js/none.js").status_code == 404


def test_files_are_found_without_their_version_too(browser: Client) -> None:
    answer = browser.head(f"/static/{SCRIPT}")

    assert answer.status_code == 200
    assert "immutable" not in answer.headers["Cache-Control"]


def test_nothing_collected_has_no_version(tmp_path: Path) -> None:
    assert read_collected_version(tmp_path) == ""


def test_version_ends_when_a_source_changes(tmp_path: Path) -> None:
    collected, source = tmp_path / "collected", tmp_path / "sources" / "page.js"
    for path in (collected / VERSION_FILE, source):
        path.parent.mkdir()
        path.write_text("abc\n")
    os.utime(source, (1, 1))
    assert read_collected_version(collected, source.parent) == "abc"

    os.utime(source)
    os.utime(collected / VERSION_FILE, (2, 2))

    assert read_collected_version(collected, source.parent) == ""


def test_files_that_were_not_collected_have_plain_paths() -> None:
    assert static(SCRIPT) == f"/static/{SCRIPT}"
