"""Takes the pictures of the documentation: `python -m gateway.tests.pages.screenshots [NAME …]`.

Starts a gateway with made-up conversations, and writes docs/pictures/PAGE-VARIANT.png for every page and
variant; only those whose name has one of the given parts. The same code makes the same pictures, as far
as the machine has the same fonts.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.needs import PROJECT
from gateway.tests.pages.browsers import DESKTOP, PHONE, Visitor, running_chromium, visiting
from gateway.tests.pages.pictured_desk import show_made_up_desk
from gateway.tests.pages.pictured_history import MODEL, NOW, READER
from gateway.tests.pages.pictured_texts import TURNS
from gateway.tests.pages.test_choices import running_switcher

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES = PROJECT / "docs" / "pictures"
FILL = "from gateway.tests.pages.pictured_history import fill; fill()"
COLOURS = 256
LIMITS = {"RATE_LIMIT_REQUESTS": "60", "MAX_CONCURRENT_STREAMS": "4", "TOKEN_LIMIT": "500000"}
ENGLISH_TITLE, KOREAN_TITLE = TURNS
IS_SETTLED = """() => document.fonts.status === "loaded" && !document.querySelector(
    '[aria-busy="true"], .starting, .model-button:disabled')"""
SEARCHED = {"en-US": "backup", "ko-KR": "백업"}


@dataclass(frozen=True)
class Variant:
    """For whom a page is pictured."""

    name: str
    locale: str
    color_scheme: str
    viewport: dict[str, int]

    @property
    def is_phone(self) -> bool:
        return self.viewport == PHONE

    def make_options(self) -> dict[str, Any]:
        touch = {"has_touch": True, "is_mobile": True} if self.is_phone else {}
        chosen = {"viewport": self.viewport, "locale": self.locale, "color_scheme": self.color_scheme}
        return {**chosen, **touch, "timezone_id": "Asia/Seoul", "reduced_motion": "reduce"}


VARIANTS = (
    Variant("light", "en-US", "light", DESKTOP),
    Variant("dark", "en-US", "dark", DESKTOP),
    Variant("korean", "ko-KR", "light", DESKTOP),
    Variant("phone", "ko-KR", "dark", PHONE),
)


def open_chat(page: Page, variant: Variant) -> None:
    """The conversation in the language of the page, with its answer."""
    title = KOREAN_TITLE if variant.locale == "ko-KR" else ENGLISH_TITLE
    if variant.is_phone:
        page.locator(".sidebar-open").click()
    page.locator(".list-row").get_by_text(title, exact=True).click()
    page.locator("article.is-answer table").wait_for()
    page.locator("article.is-answer .hljs-string").first.wait_for()


def open_search(page: Page, variant: Variant) -> None:
    open_chat(page, variant)
    if variant.is_phone:
        page.locator(".sidebar-open").click()
    page.locator(".search input").fill(SEARCHED[variant.locale])
    page.locator(".found mark").first.wait_for()


def open_models(page: Page, variant: Variant) -> None:
    open_chat(page, variant)
    page.locator(".model-button").click()
    page.locator("dialog .model-list li").nth(3).wait_for()
    page.locator("dialog .model-list li").first.get_by_text("·").wait_for()  # how long its start took


def open_settings(page: Page, variant: Variant) -> None:
    open_chat(page, variant)
    page.locator("header.chat-header > button[aria-haspopup=dialog]").click()
    page.locator("dialog .sampling").wait_for()


def open_account(page: Page, _variant: Variant) -> None:
    page.goto(page.url.partition("/chat/")[0] + "/account/")
    page.locator("canvas").first.wait_for()
    page.wait_for_function(IS_SETTLED)
    page.locator(".account-list a[href='#usage']").click()


PAGES: dict[str, Callable[[Page, Variant], None]] = {
    "chat": open_chat,
    "search": open_search,
    "models": open_models,
    "settings": open_settings,
    "account": open_account,
}
"""Name, and how one gets there from the chat page."""


def main() -> None:
    wanted = sys.argv[1:]
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gw-pictures-") as name, running_chromium() as chromium:
        folder = Path(name)
        with (
            ending_engines(folder),
            start_gateway(Stores(), folder, "", AUTOSTART_PROFILE=MODEL, **LIMITS) as gateway,
        ):
            gateway.manage("load_profiles")
            gateway.manage("shell", "-c", FILL)
            gateway.manage("index_messages")
            with running_switcher(gateway, folder / "switcher.log"):
                wait_until(lambda: is_ready(gateway), timeout_s=60, what="the model")
                for variant in VARIANTS:
                    take_pictures(chromium, gateway, variant, wanted)


@contextmanager
def ending_engines(folder: Path) -> Iterator[None]:
    """Engines outlive the switcher, as they should but here."""
    try:
        yield
    finally:
        for path in folder.glob("engines/*.json"):
            with suppress(KeyError, ProcessLookupError):
                os.kill(json.loads(path.read_text())["pid"], signal.SIGTERM)


def is_ready(gateway: GatewayProcess) -> bool:
    with gateway.client("admin") as client:
        return bool(client.get("/api/models/status").json()["state"] == "ready")


def take_pictures(chromium: Browser, gateway: GatewayProcess, variant: Variant, wanted: list[str]) -> None:
    def is_wanted(page: str) -> bool:
        return not wanted or any(part in f"{page}-{variant.name}" for part in wanted)

    def open_visit() -> Any:
        return visiting(chromium, gateway.url, **variant.make_options())

    if is_wanted("sign-in"):
        with open_visit() as visitor:
            visitor.page.goto(f"{visitor.url}/sign-in/")
            take_picture(visitor, f"sign-in-{variant.name}")
    if is_wanted("desk"):
        with open_visit() as visitor:
            visitor.page.clock.set_fixed_time(NOW)
            show_made_up_desk(visitor.context, variant.locale.partition("-")[0])
            page = visitor.sign_in("/admin/", "admin")
            page.locator(".load-chart canvas").nth(3).wait_for()
            take_picture(visitor, f"desk-{variant.name}")
    for name, open_page in PAGES.items():
        if is_wanted(name):
            with open_visit() as visitor:
                visitor.page.clock.set_fixed_time(NOW)
                page = visitor.sign_in(username=READER)
                page.locator(".list-row").first.wait_for(state="attached")
                open_page(page, variant)
                take_picture(visitor, f"{name}-{variant.name}")


def take_picture(visitor: Visitor, name: str) -> None:
    """Writes it. Raises RuntimeError where the page complained."""
    if visitor.complaints:
        raise RuntimeError(f"{name}: {visitor.complaints}")
    page = visitor.page
    page.wait_for_function(IS_SETTLED)
    page.mouse.move(0, 0)
    page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    taken = page.screenshot(caret="hide", animations="disabled")
    with Image.open(BytesIO(taken)) as picture:
        reduced = picture.convert("RGB").quantize(
            COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    path = PICTURES / f"{name}.png"
    reduced.save(path, optimize=True)
    print(f"{path.relative_to(PROJECT)}  {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
