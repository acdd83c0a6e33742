"""Errors where a browser opens a page are pages, in the reader's language. Programs get the envelope."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

pytestmark = [pytest.mark.urls("gateway.tests.failing_urls"), pytest.mark.django_db]

OF_BROWSERS = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def browser() -> Client:
    """One that sees what a failing view answers, as real ones do."""
    return Client(raise_request_exception=False, headers={"accept": OF_BROWSERS})


def is_page(response: Any) -> bool:
    return bool(response.headers["Content-Type"].startswith("text/html"))


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("http404", 404, "There is nothing here"),
        ("denied", 403, "You may not do that"),
        ("suspicious", 400, "That cannot be answered"),
        ("gateway", 409, "still receiving an answer"),
        ("database", 503, "Something went wrong here"),
        ("unexpected", 500, "The gateway met an unexpected error."),
    ],
)
def test_browser_gets_a_page_that_says_what_is_wrong(
    browser: Client, name: str, status: int, words: str
) -> None:
    response = browser.get(f"/plain/{name}")

    assert (response.status_code, is_page(response)) == (status, True)
    assert words in response.content.decode()
    assert b"canary" not in response.content
    assert b"secret reason" not in response.content
    assert response.headers["Cache-Control"] == "no-store"


def test_page_of_an_error_is_in_the_language_of_its_reader(browser: Client) -> None:
    response = browser.get("/nowhere", headers={"accept-language": "ko-KR,ko;q=0.9"})

    assert "페이지가 없습니다" in response.content.decode()
    assert '<html lang="ko">' in response.content.decode()


def test_page_names_the_path_that_was_meant(browser: Client) -> None:
    assert "Use /chat/." in browser.get("/chat").content.decode()


def test_failure_of_the_csrf_check_is_a_page_too() -> None:
    strict = Client(enforce_csrf_checks=True, headers={"accept": OF_BROWSERS})

    response = strict.post("/language/", {"language": "ko"})

    assert (response.status_code, is_page(response)) == (403, True)


def test_wrong_method_is_a_page_and_says_what_is_allowed(browser: Client) -> None:
    response = browser.get("/language/")

    assert (response.status_code, is_page(response)) == (405, True)
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/api/nowhere", "/v1x", "/metrics", "/words/de.js", "/static/none.js"])
def test_paths_of_programs_answer_json_to_browsers(browser: Client, path: str) -> None:
    response = browser.get(path, headers={"x-forwarded-for": "8.8.8.8"})

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "application/json, text/html"])
def test_programs_get_the_envelope_everywhere(accept: str) -> None:
    response = Client().get("/nowhere", headers={"accept": accept} if accept else {})

    assert response.json()["error"]["code"] == "not_found"
