"""A real Chromium at the pages of a gateway. What the page complains of fails the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.tests.databases import ADMIN_PASSWORD, USER_PASSWORD
from gateway.tests.needs import CHROMIUM_ARGUMENTS, NeedMissing, find_chromium, skip_loudly

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Visitor:
    """A person's browser at one gateway. `page` is its first tab."""

    url: str
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)
    """Of scripts, of the console, and of the content security policy."""

    def __post_init__(self) -> None:
        self.context.on("console", self._note)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.page = self.context.new_page()

    def _note(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def forgive(self, part: str) -> None:
        """Complaints that a test provokes: the browser reports each request that fails."""
        self.complaints[:] = [each for each in self.complaints if part not in each]

    def sign_in(self, path: str = "/chat/", username: str = "demo", password: str = "") -> Page:
        """Open `path` as somebody with a session of his own. `password` is the seeded one if none is given.

        The form is sent with this browser's cookies and not drawn, which would cost every test a page more.
        """
        form = f"{self.url}/sign-in/"
        self.context.request.get(form)
        tokens = {cookie["name"]: cookie["value"] for cookie in self.context.cookies(form)}
        password = password or (ADMIN_PASSWORD if username == "admin" else USER_PASSWORD)
        fields: dict[str, str | float | bool] = {
            "username": username,
            "password": password,
            "csrfmiddlewaretoken": next(v for k, v in tokens.items() if k.endswith("csrftoken")),
        }
        answer = self.context.request.post(form, form=fields, headers={"Referer": form}, max_redirects=0)
        assert answer.status == 302, answer.text()
        self.page.goto(f"{self.url}{path}")
        return self.page


def expect_complaint(visitor: Visitor, status: int) -> None:
    """Browsers note every answer that comes with an error's status."""
    (complaint,) = visitor.complaints
    assert str(status) in complaint
    visitor.complaints.clear()


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Skips the test, loudly, where there is none."""
    from playwright.sync_api import sync_playwright

    try:
        executable = find_chromium()
    except NeedMissing as exc:
        skip_loudly("in a browser", exc)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Iterator[Visitor]:
    """`options` are Playwright's: viewport, locale, color_scheme and the like."""
    context = browser.new_context(**({"viewport": DESKTOP, "locale": "en-US"} | options))
    context.set_default_timeout(15_000)
    visitor = Visitor(url, context)
    try:
        yield visitor
        assert visitor.complaints == []
    except BaseException as exc:
        exc.add_note(f"At {visitor.page.url} the browser complained: {visitor.complaints}")
        raise
    finally:
        context.close()
