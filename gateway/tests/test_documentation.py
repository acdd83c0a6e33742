"""The documentation says what the code does."""

from __future__ import annotations

import re

import pytest

from gateway.conf import BASE_DIR, GatewayConfig
from gateway.documentation import GENERATED, refreshed


@pytest.mark.parametrize("name", GENERATED)
def test_generated_tables_are_up_to_date(name: str) -> None:
    path, fresh = refreshed(name)

    assert path.read_text() == fresh, "run `python manage.py write_docs`"


def test_every_setting_in_the_example_file_exists() -> None:
    known = {item.metadata["name"] for item in GatewayConfig.__dataclass_fields__.values()}
    named = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (BASE_DIR / ".env.example").read_text(), re.MULTILINE))
    used_elsewhere = {"COMPOSE_FILE", "DOCKER_GID", "GATEWAY_BIND"}

    assert named - known - used_elsewhere == set()


def test_the_readme_names_only_commands_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (BASE_DIR / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", (BASE_DIR / "README.md").read_text()))

    assert named - targets == set()
