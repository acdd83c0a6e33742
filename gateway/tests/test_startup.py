"""What starts imports what it needs: an operator's command no page, the web process nothing of the hub."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from gateway.conf import BASE_DIR
from gateway.tests.databases import MIGRATED, SETTINGS, SQLITE_FILE, sqlite_template

PAGES = {"gateway.urls", "modelops.admin", "accounts.serializers", "rest_framework.fields", "daphne"}
OTHER_PURPOSES = {"aiohttp", "docker", "httpx", "huggingface_hub", "psycopg", "pynvml", "yaml"}
"""Libraries that a fit check on SQLite can do without: 0.4 s of CPU together."""


def list_imported(statements: str, **settings: str) -> set[str]:
    """The modules that a process of its own has loaded after these, which begin with Django set up."""
    script = f"import sys, django; django.setup(); {statements}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=BASE_DIR,
        env={**SETTINGS, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("command", ["model_status", "switch_model", "run_switcher"])
def test_a_command_for_operators_imports_no_page(command: str) -> None:
    imported = list_imported(
        "from django.core.management import call_command, get_commands, load_command_class;"
        f"command = load_command_class(get_commands()[{command!r}], {command!r});"
        "command.requires_system_checks and command.check()"
    )

    assert f"modelops.management.commands.{command}" in imported
    assert not PAGES & imported


def test_a_fit_check_imports_only_what_it_computes_with(tmp_path: Path) -> None:
    shutil.copy(sqlite_template(MIGRATED), tmp_path / SQLITE_FILE)

    imported = list_imported(
        "from django.core.management import call_command; from modelops.tests.fit_rows import save_profile;"
        "save_profile('eight'); call_command('check_fit', 'eight', '--gpu', 'RTX 3090')",
        GATEWAY_DATA_DIR=str(tmp_path),
    )

    assert {"FITS", "modelops.domain.fit.check"} <= imported
    assert not (PAGES | OTHER_PURPOSES) & imported


def test_a_check_of_the_admin_covers_the_pages_of_every_app() -> None:
    imported = list_imported("from django.core.checks import run_checks; run_checks(tags=['admin'])")

    assert {"accounts.admin", "conversations.admin", "modelops.admin"} <= imported


def test_the_web_process_does_not_import_the_library_of_the_hub() -> None:
    imported = list_imported("import gateway.asgi, gateway.urls")

    assert "modelops.admin.profiles" in imported
    assert "huggingface_hub" not in imported


def test_the_development_server_speaks_asgi() -> None:
    command = load_command_class(get_commands()["runserver"], "runserver")

    assert type(command).__module__ == "daphne.management.commands.runserver"
