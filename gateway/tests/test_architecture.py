"""ARCHITECTURE.md and CONTRIBUTING.md name what is there, and draw the layers that the contracts enforce."""

from __future__ import annotations

import configparser
import pkgutil
import re

import pytest

from gateway.conf import BASE_DIR

ROOT_PACKAGES = ("gateway", "accounts", "chat", "conversations", "modelops")
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md")


def read_contract(name: str) -> list[set[str]]:
    """The layers of a contract of import-linter, top first."""
    contracts = configparser.ConfigParser()
    contracts.read(BASE_DIR / ".importlinter")
    lines = contracts[f"importlinter:contract:{name}"]["layers"].strip().splitlines()
    return [{part.strip() for part in line.split("|")} for line in lines]


def read_drawing(name: str) -> list[set[str]]:
    """The lines of a drawing: a label, two spaces at least, and the names with bars between them."""
    text = (BASE_DIR / "ARCHITECTURE.md").read_text()
    block = text.split(f"<!-- begin {name} -->")[1].split(f"<!-- end {name} -->")[0]
    lines = [line for line in block.strip().splitlines() if not line.startswith("```")]
    return [{part.strip() for part in re.split(r" {2,}", line)[-1].split("|")} for line in lines]


@pytest.mark.parametrize("name", ["layers", "rooms"])
def test_drawn_layers_are_those_that_are_enforced(name: str) -> None:
    assert read_drawing(name) == read_contract(name)


def test_every_room_of_modelops_is_in_the_drawing() -> None:
    kept_apart = {"migrations", "static", "tests", "apps"}
    rooms = {path.stem for path in (BASE_DIR / "modelops").iterdir() if not path.name.startswith("__")}

    assert rooms - kept_apart == set().union(*read_drawing("rooms"))


@pytest.mark.parametrize("page", PAGES)
def test_modules_that_are_named_exist(page: str) -> None:
    named = re.findall(r"`((?:{})(?:\.\w+)+)`".format("|".join(ROOT_PACKAGES)), (BASE_DIR / page).read_text())

    assert named
    assert [name for name in named if not _exists(name)] == []


def test_files_that_recipes_name_exist() -> None:
    text = (BASE_DIR / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:[\w.-]+/)+[\w.*-]*|[\w-]+\.(?:md|toml|ini|yml))`", text)

    assert len(named) > 30
    assert [path for path in named if not list(BASE_DIR.glob(path))] == []


def _exists(name: str) -> bool:
    """Whether it is a module, or something that a module has."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True
