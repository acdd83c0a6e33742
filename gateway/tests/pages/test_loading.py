"""What a browser loads for a page."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from gateway.tests.pages.browsers import Visitor
from gateway.tests.pages.chats import box_of

pytestmark = pytest.mark.browser

NAMED = """() => [...document.querySelectorAll("link[rel=modulepreload], script[type=module]")]
    .map((each) => new URL(each.href || each.src).pathname)"""


def test_head_names_the_modules_that_are_loaded_and_no_others(visitor: Visitor) -> None:
    asked: list[str] = []
    visitor.context.on("request", lambda request: asked.append(urlsplit(request.url).path))

    page = visitor.sign_in()
    box_of(page).wait_for()

    named = page.evaluate(NAMED)
    scripts = {path for path in asked if path.startswith("/static/") and path.endswith(".js")}
    apart = {path for path in scripts if path.endswith("/theme.js") or "/front/" in path}
    assert set(named) == scripts - apart
    assert len(named) == len(set(named))
    assert visitor.complaints == []
