"""Checks that run before the gateway starts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ValidationError

from accounts.models import User
from gateway.conf import MINIMUM_SECRET_BYTES, GatewayConfig, get_config
from gateway.wording import fill_in

OWN_CHECKS = "gateway"
"""The tag of the gateway's own checks."""


@register(OWN_CHECKS)
def check_shared_state(**_options: Any) -> Sequence[CheckMessage]:
    """Several web processes need Redis, to share limits and cancel signals."""
    config = get_config()
    if config.web_concurrency > 1 and not config.redis_url:
        return [
            Error(
                fill_in(
                    "WEB_CONCURRENCY is {count}, but REDIS_URL is not set.", count=config.web_concurrency
                ),
                hint=fill_in("More than one web process needs Redis for rate limits and cancel signals."),
                id="gateway.E001",
            )
        ]
    return []


@register(OWN_CHECKS, deploy=True)
def check_production_settings(**_options: Any) -> Sequence[CheckMessage]:
    """Warns of settings that are fine on a laptop and unsafe on a network, with `check --deploy`."""
    config = get_config()
    return [Warning(text, id=f"gateway.{number}") for number, text in _find_weaknesses(config)]


def _find_weaknesses(config: GatewayConfig) -> Iterator[tuple[str, str]]:
    if "*" in config.allowed_hosts:
        yield "W001", fill_in("ALLOWED_HOSTS allows every host.")
    if "*" in config.cors_origins:
        yield "W002", fill_in("CORS_ORIGINS allows every origin.")
    secrets = {
        "SECRET_KEY": config.secret_key,
        "JWT_SECRET": config.jwt_secret,
        "API_KEY_SECRET": config.api_key_secret,
    }
    for name, secret in secrets.items():
        if secret and is_guessable(secret):
            yield (
                "W003",
                fill_in("{name} can be guessed. `openssl rand -base64 48` makes a good one.", name=name),
            )
    if config.debug:
        yield (
            "W004",
            fill_in("DEBUG is on: /docs, /schema and tracebacks are for everybody who reaches the gateway."),
        )
    passwords = {
        "GATEWAY_ADMIN_PASSWORD": config.admin_password,
        "GATEWAY_USER_PASSWORD": config.user_password,
    }
    for name, password in passwords.items():
        if password and is_weak_password(password):
            yield "W005", fill_in("{name} is a weak password for a seeded account.", name=name)
    if any(is_public(network) for network in config.metrics_networks):
        yield "W006", fill_in("METRICS_NETWORKS lets public addresses read /metrics.")
    if config.database_url and not config.redis_url:
        yield (
            "W007",
            fill_in("DATABASE_URL is set without REDIS_URL: a second process would count limits by itself."),
        )
    if config.secure_cookies and not config.trusted_proxy_hops:
        yield (
            "W008",
            fill_in(
                "SECURE_COOKIES is set without TRUSTED_PROXY_HOPS: behind a proxy all clients share one "
                "address, and the limits that go by it."
            ),
        )


def is_guessable(secret: str) -> bool:
    """True for a signing secret that is short, repeats itself or was copied from an example."""
    words = ("secret", "password", "change", "example", "insecure", "default", "12345", "abcde", "qwerty")
    is_worded = any(word in secret.lower() for word in words)
    return len(secret.encode()) < MINIMUM_SECRET_BYTES or len(set(secret)) < 12 or is_worded


def is_weak_password(password: str) -> bool:
    try:
        validate_password(password, User(username="admin"))
    except ValidationError:
        return True
    return False


def is_public(network: str) -> bool:
    """True when the network contains public addresses."""
    return not ipaddress.ip_network(network).is_private
