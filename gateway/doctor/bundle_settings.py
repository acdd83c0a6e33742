"""Versions and settings for a support bundle."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import fields
from importlib.metadata import distributions
from typing import Any

from django.conf import settings
from django.db import connection

from gateway.conf import GatewayConfig
from gateway.env import SECRETS

SET = "[set]"
OPAQUE = frozenset({"FILE_STORAGE_OPTIONS"})
"""Values that may hold a secret under any name."""


def list_versions() -> dict[str, Any]:
    libraries = {each.name: each.version for each in distributions() if each.name}
    return {
        "gateway": settings.PRODUCT_VERSION,
        "python": sys.version,
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "database": connection.vendor,
        "libraries": dict(sorted(libraries.items(), key=lambda each: each[0].lower())),
    }


def list_settings(config: GatewayConfig) -> dict[str, Any]:
    """By name those that differ from their default; of secrets only that they are set."""
    found: dict[str, Any] = {}
    for item in fields(config):
        value = getattr(config, item.name)
        if value == item.default:
            continue
        name = item.metadata["name"]
        found[name] = SET if name in SECRETS or name in OPAQUE else value
    return found
