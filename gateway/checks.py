"""Checks that run before the gateway starts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ValidationError

from accounts.models import Role, User
from gateway.conf import MINIMUM_SECRET_BYTES, GatewayConfig, get_config
from gateway.conf_sign_in import is_safe_address
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


@register(OWN_CHECKS)
def check_sign_in(**_options: Any) -> Sequence[CheckMessage]:
    """Signing in with an identity provider needs the provider, the gateway's registration and a library."""
    return [Error(text, hint=hint, id=f"gateway.{number}") for number, text, hint in _find_gaps(get_config())]


def _find_gaps(config: GatewayConfig) -> Iterator[tuple[str, str, str]]:
    registration = "The identity provider gives both to the application that you register there."
    if not config.oidc_issuer:
        if config.oidc_only:
            yield (
                "E010",
                "OIDC_ONLY is set, but OIDC_ISSUER is not: hardly anybody could sign in.",
                "Set both.",
            )
        if config.oidc_client_id or config.oidc_client_secret:
            yield "E011", "OIDC_CLIENT_ID or OIDC_CLIENT_SECRET is set, but OIDC_ISSUER is not.", "Set it."
        return
    if not config.oidc_client_id:
        yield "E012", "OIDC_ISSUER is set, but OIDC_CLIENT_ID is not.", registration
    if not config.oidc_client_secret:
        yield "E013", "OIDC_ISSUER is set, but OIDC_CLIENT_SECRET is not.", registration
    if find_spec("mozilla_django_oidc") is None:
        yield (
            "E014",
            "OIDC_ISSUER is set, but mozilla-django-oidc is not installed.",
            "Build the image with LOCK=requirements/oidc-lock.txt (docs/sign-in.md).",
        )
    if not is_safe_address(config.oidc_issuer):
        yield "E015", "OIDC_ISSUER is not an https address.", "Tokens and secrets could be read on the way."
    if config.oidc_role_claim and not any(role == Role.ADMIN for _value, role in config.oidc_roles):
        yield (
            "E016",
            "OIDC_ROLE_CLAIM is set, but OIDC_ROLES makes nobody an admin: everybody would lose that role.",
            "Name the values that do, as in OIDC_ROLES=operators=admin.",
        )
    if config.oidc_roles and not config.oidc_role_claim:
        yield "E017", "OIDC_ROLES is set, but OIDC_ROLE_CLAIM is not.", "Name the claim that has the values."


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
    if config.oidc_issuer and config.oidc_signup and not config.oidc_allowed_domains:
        yield (
            "W010",
            fill_in(
                "OIDC_SIGNUP is on without OIDC_ALLOWED_DOMAINS: whomever the provider knows gets an account."
            ),
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
