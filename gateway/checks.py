"""Checks that run before the gateway starts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register

from gateway.conf import get_config


@register()
def check_shared_state(**_options: Any) -> Sequence[CheckMessage]:
    """Several web processes need a place to share limits and cancel signals."""
    try:
        workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
    except ValueError:
        return [Error("WEB_CONCURRENCY is not a whole number.", id="gateway.E002")]
    if workers > 1 and not get_config().redis_url:
        return [
            Error(
                f"WEB_CONCURRENCY is {workers}, but REDIS_URL is not set.",
                hint="More than one web process needs Redis for rate limits and cancel signals.",
                id="gateway.E001",
            )
        ]
    return []


@register(deploy=True)
def check_production_settings(**_options: Any) -> Sequence[CheckMessage]:
    config = get_config()
    found: list[CheckMessage] = []
    if "*" in config.allowed_hosts:
        found.append(Warning("ALLOWED_HOSTS allows every host.", id="gateway.W001"))
    if "*" in config.cors_origins:
        found.append(Warning("CORS_ORIGINS allows every origin.", id="gateway.W002"))
    return found
