"""Static files as production serves them, after collectstatic; and without it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.core.management import call_command
from django.templatetags.static import static
from django.test import Client
from pytest_django import Settings

from gateway.collected_files import SOURCES, VERSION_FILE, read_collected_version
from gateway.page_security import page_headers
from gateway.tests.live import GatewayProcess

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


def test_collected_files_are_for_whoever_serves_them(version: str, tmp_path: Path) -> None:
    """An image is built by root, and its web process is somebody else."""
    modes = {path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*") if path.is_dir()}
    closed = [
        path for path in tmp_path.rglob("*") if path.is_file() and not path.stat().st_mode & stat.S_IROTH
    ]

    assert modes == {0o755}
    assert closed == []


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


@pytest.fixture
def web(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client


def test_files_come_whole_with_the_headers_of_pages(web: httpx.Client) -> None:
    answer = web.get(f"/static/{SCRIPT}")

    assert answer.content == Path(SOURCES, SCRIPT).read_bytes()
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert {name.decode() for name, _value in page_headers()} <= set(answer.headers)
    assert "x-request-id" in answer.headers


def test_file_that_did_not_change_is_not_sent_again(web: httpx.Client) -> None:
    etag = web.get(f"/static/{SCRIPT}").headers["ETag"]

    answer = web.get(f"/static/{SCRIPT}", headers={"If-None-Match": etag})

    assert (answer.status_code, answer.content) == (304, b"")


def test_part_of_a_file_can_be_asked_for(web: httpx.Client) -> None:
    answer = web.get(f"/static/{SCRIPT}", headers={"Range": "bytes=3-12"})

    assert answer.status_code == 206
    assert answer.content == Path(SOURCES, SCRIPT).read_bytes()[3:13]


def test_head_has_no_body_and_nothing_can_be_posted(web: httpx.Client) -> None:
    head = web.head(f"/static/{SCRIPT}")

    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) == Path(SOURCES, SCRIPT).stat().st_size
    assert web.post(f"/static/{SCRIPT}").status_code == 405
    assert web.get("/static/none.js").status_code == 404


@pytest.fixture
def sources(settings: Settings, tmp_path: Path) -> Path:
    """A folder of files that are not collected, as in development."""
    settings.STATICFILES_DIRS = [tmp_path]
    settings.STATIC_VERSION = ""
    settings.WHITENOISE_USE_FINDERS = True
    return tmp_path


def test_file_that_is_edited_is_served_as_it_is_now(sources: Path) -> None:
    (sources / "edited.js").write_text("one")
    browser = Client()
    assert read(browser, "/static/edited.js") == b"one"

    (sources / "edited.js").write_text("another one")

    assert read(browser, "/static/edited.js") == b"another one"


def test_file_that_is_new_or_gone_needs_no_restart(sources: Path) -> None:
    browser = Client()
    assert browser.get("/static/new.js").status_code == 404

    (sources / "new.js").write_text("here")
    assert read(browser, "/static/new.js") == b"here"

    (sources / "new.js").unlink()
    assert browser.get("/static/new.js").status_code == 404


def read(browser: Client, path: str) -> bytes:
    answer = browser.get(path)
    content: bytes = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert answer.headers["Content-Length"] == str(len(content))
    return content
