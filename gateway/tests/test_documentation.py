"""The documentation says what the code does."""

from __future__ import annotations

import gettext
import re
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from gateway.conf import BASE_DIR, GatewayConfig
from gateway.documentation import GENERATED, list_errors, refreshed
from gateway.error_advice import ADVICE
from gateway.setting_groups import group_settings


@pytest.mark.parametrize("name", GENERATED)
def test_generated_tables_are_up_to_date(name: str) -> None:
    path, fresh = refreshed(name)

    assert path.read_text() == fresh, "run `python manage.py write_docs`"


def test_every_setting_stands_under_one_subject() -> None:
    listed = [item.metadata["name"] for _title, items in group_settings() for item in items]

    assert sorted(listed) == sorted(
        item.metadata["name"] for item in GatewayConfig.__dataclass_fields__.values()
    )


def test_every_error_code_has_its_advice_and_names_settings_that_exist() -> None:
    known = {item.metadata["name"] for item in GatewayConfig.__dataclass_fields__.values()}
    advised = " ".join(" ".join(advice) for advice in ADVICE.values())

    named = set(re.findall(r"\b([A-Z]+_[A-Z_]+)\b", advised))

    assert set(ADVICE) == {kind.code for kind in list_errors()}
    assert named - known == set()


def test_every_setting_in_the_example_file_exists() -> None:
    known = {item.metadata["name"] for item in GatewayConfig.__dataclass_fields__.values()}
    named = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (BASE_DIR / ".env.example").read_text(), re.MULTILINE))
    used_elsewhere = {"COMPOSE_FILE", "DOCKER_GID", "GATEWAY_BIND"}

    assert named - known - used_elsewhere == set()


PAGES = [
    *(page for page in BASE_DIR.glob("*.md") if page.name != "CHANGELOG.md"),
    *(BASE_DIR / "docs").glob("*.md"),
]


def read_code(page: Path) -> str:
    """What stands in blocks and between backticks."""
    text = page.read_text()
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", text)])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_only_commands_that_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (BASE_DIR / "Makefile").read_text(), re.MULTILINE))
    code = read_code(page)

    asked_of_make = set(re.findall(r"^(?:[A-Z_]+=\S+ )?make ([a-z][a-z-]+)", code, re.MULTILINE))
    asked_of_django = set(re.findall(r"manage\.py ([a-z][a-z_]+)", code))

    assert asked_of_make - targets == set()
    assert asked_of_django - set(get_commands()) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_only_options_that_commands_have(page: Path) -> None:
    """Those that are given on the same line."""
    unknown = []
    for name, arguments in re.findall(r"manage\.py ([a-z][a-z_]+)([^\n`|#;&]*)", read_code(page)):
        known = set(list_options(load_command(name).create_parser("manage.py", name)))
        asked = set(re.findall(r"(?<=[\s\[])--[a-z][a-z-]*", re.sub(r'"[^"]*"', "", arguments)))
        unknown += [f"{name} {option}" for option in asked - known]

    assert unknown == []


def list_options(parser: ArgumentParser) -> Iterator[str]:
    """Its own, and those of every command below it."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, _SubParsersAction):
            for below in set(action.choices.values()):
                yield from list_options(below)


def load_command(name: str) -> BaseCommand:
    app = get_commands()[name]
    return app if isinstance(app, BaseCommand) else load_command_class(app, name)


def test_the_installation_quotes_what_make_env_prints() -> None:
    install, installed_in_korean = (
        (BASE_DIR / "docs" / name).read_text() for name in ("install.md", "install.ko.md")
    )
    korean = gettext.translation("django", BASE_DIR / "locale", ["ko"]).gettext

    for sentence in (
        "Found {cards} NVIDIA GPUs, which Docker can give to containers.",
        "Now: docker compose up -d",
    ):
        assert sentence in (BASE_DIR / "gateway" / "new_env.py").read_text()
        assert f"\n{sentence.format(cards=2)}\n" in install
        assert f"\n{korean(sentence).format(cards=2)}\n" in installed_in_korean
