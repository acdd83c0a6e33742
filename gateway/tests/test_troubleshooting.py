"""docs/troubleshooting.md quotes what the product says."""

from __future__ import annotations

import gettext
import re

import pytest

from gateway import errors
from gateway.conf import BASE_DIR, GatewayConfig
from gateway.documentation import error_kinds

PAGE = (BASE_DIR / "docs" / "troubleshooting.md").read_text()
KOREAN_PAGE = (BASE_DIR / "docs" / "troubleshooting.ko.md").read_text()
QUOTE = r"^\| (\d{3}) \| `(\w+)` \| (.+) \|$"
QUOTES = re.findall(QUOTE, PAGE, re.MULTILINE)
PACKAGES = ("gateway", "accounts", "chat", "conversations", "modelops")
SOURCES = "\n".join(
    path.read_text()
    for name in PACKAGES
    for path in (BASE_DIR / name).rglob("*.py")
    if "tests" not in path.parts
)


def test_page_has_the_four_cases() -> None:
    titles = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)

    assert [title.split()[0] for title in titles[:4]] == ["502", "401:", "429:", "The"]
    assert len(QUOTES) >= 20


@pytest.mark.parametrize(("status", "code", "message"), QUOTES)
def test_quoted_message_is_what_the_product_says(status: str, code: str, message: str) -> None:
    known = {(kind.status, kind.code) for kind in error_kinds(errors.GatewayError)}

    assert (int(status), code) in known
    assert f'"{message}"' in SOURCES


def test_quoted_messages_are_said_in_korean_and_quoted_so_on_the_korean_page() -> None:
    korean = gettext.translation("django", BASE_DIR / "locale", ["ko"]).gettext

    said = [(status, code, korean(message)) for status, code, message in QUOTES]

    assert {message for _status, _code, message in QUOTES}.isdisjoint(message for *_, message in said)
    assert re.findall(QUOTE, KOREAN_PAGE, re.MULTILINE) == said


def test_page_names_settings_and_commands_that_exist() -> None:
    settings = {item.metadata["name"] for item in GatewayConfig.__dataclass_fields__.values()}
    commands = {path.stem for path in BASE_DIR.rglob("management/commands/*.py") if ".venv" not in path.parts}
    of_django = {"changepassword", "migrate", "check"}

    named = set(re.findall(r"`([A-Z][A-Z_]+)[`:]", PAGE))

    assert named - settings == set()
    assert set(re.findall(r"manage\.py (\w+)", PAGE)) - commands - of_django == set()
