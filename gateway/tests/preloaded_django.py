"""Django and what our processes import of the gateway, imported before they are forked.

What a module reads of the settings while it is imported would be that of another process. So what was read is
kept, and each process compares it with its own settings, at the moment that it reads them: where anything
differs, it begins anew as a Python of its own.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

SETTINGS_MODULE = "gateway.tests.quick_settings"
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
    "GATEWAY_ENV_FILE": os.devnull,
    # As all processes under test have them (gateway.tests.databases); others begin anew.
    "SECRET_KEY": "s" * 40,
    "JWT_SECRET": "j" * 40,
    "DEBUG": "false",
}
OURS = (
    *("gateway.management.commands.run_web", "modelops.management.commands.run_switcher"),
    *("gateway.body_bounds", "gateway.desk_plane", "gateway.desk_runtime", "gateway.static_plane"),
    *("gateway.static_files", "gateway.middleware", "gateway.page_security", "gateway.urls"),
    *("accounts.cookie_sessions", "accounts.languages", "chat.plane", "chat.web_runtime"),
)
"""What `gateway.asgi`, its middleware and the switcher import; nothing of it is made from settings."""
READ_AT_IMPORT = ("SECRET_KEY", "JWT_SECRET", "DEBUG")
"""Variables behind settings that modules read when they are imported, and that tests change."""
READ_ANEW = frozenset({"DATABASES", "LOGGING"})
"""Settings that each process reads once more by itself."""


def fits(environment: Mapping[str, str]) -> bool:
    """False where it is plain before the fork that the process would begin anew."""
    return all(environment.get(name, ENVIRONMENT[name]) == ENVIRONMENT[name] for name in READ_AT_IMPORT)


def preload_django() -> dict[str, Any]:
    """Import all of it, and forget the settings. Returns those that were read."""
    from django.conf import settings

    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(ENVIRONMENT, GATEWAY_DATA_DIR=folder)
        importlib.import_module("django").setup()
        for name in OURS:
            importlib.import_module(name)
    read = {name: value for name, value in vars(settings).items() if name.isupper() and name not in READ_ANEW}
    forget_settings()
    os.environ.clear()
    os.environ.update(before)
    return read


def forget_settings() -> None:
    """The next who needs them reads them from the environment, as if nobody had yet."""
    from django.conf import settings
    from django.db import connections
    from django.utils.functional import empty

    # Models ask how long the name of a table may be, of a connection that is never opened.
    for alias in connections:
        del connections[alias]
    connections._settings = None  # type: ignore[attr-defined]
    vars(connections).pop("settings", None)
    settings._wrapped = empty
    for name in (SETTINGS_MODULE, "gateway.settings"):
        parent, _, child = name.rpartition(".")
        del sys.modules[name]
        delattr(sys.modules[parent], child)
    importlib.import_module("gateway.conf").get_config.cache_clear()


def compare_settings(expected: dict[str, Any], arguments: Sequence[str]) -> None:
    """Have this process, once it reads its settings, begin anew with `arguments` where they are others."""
    from django.conf import LazySettings

    set_up = LazySettings._setup  # type: ignore[attr-defined]

    def set_up_and_compare(settings: LazySettings, name: str | None = None) -> None:
        set_up(settings, name)
        if any(getattr(settings, each) != value for each, value in expected.items()):
            os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - the same command line

    LazySettings._setup = set_up_and_compare  # type: ignore[attr-defined]
