"""`manage.py check --deploy`: clean where the settings are right, and clear where they are not."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from gateway.checks import OWN_CHECKS, is_guessable, is_public
from gateway.tests.forked import run_python

PRODUCTION = {
    "SECRET_KEY": secrets.token_urlsafe(48),
    "JWT_SECRET": secrets.token_urlsafe(48),
    "ALLOWED_HOSTS": "chat.example.com",
    "SECURE_COOKIES": "true",
    "HSTS_SECONDS": "31536000",
    "DATABASE_URL": "postgres://gateway:unused@127.0.0.1:1/gateway",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "TRUSTED_PROXY_HOPS": "1",
    "WEB_CONCURRENCY": "4",
}


def check(folder: Path, *arguments: str, **changes: str) -> tuple[int, str]:
    """Exit code and output of the check in the production settings with `changes`."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    own = {"GATEWAY_ENV_FILE": os.devnull, "GATEWAY_DATA_DIR": str(folder)}
    done = run_python(
        *("manage.py", "check", "--deploy", "--fail-level", "WARNING", *arguments),
        environment=inherited | own | PRODUCTION | changes,
    )
    return done.returncode, done.stdout + done.stderr


def test_production_settings_are_clean(tmp_path: Path) -> None:
    code, output = check(tmp_path)

    assert output.startswith("System check identified no issues")
    assert code == 0


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"DEBUG": "true"}, "gateway.W004"),
        ({"ALLOWED_HOSTS": "*"}, "gateway.W001"),
        ({"CORS_ORIGINS": "*"}, "gateway.W002"),
        ({"SECRET_KEY": "change-me-" * 6}, "gateway.W003"),
        ({"JWT_SECRET": "j" * 48}, "gateway.W003"),
        ({"API_KEY_SECRET": "short"}, "gateway.W003"),
        ({"GATEWAY_ADMIN_PASSWORD": "admin123"}, "gateway.W005"),
        ({"GATEWAY_USER_PASSWORD": "password"}, "gateway.W005"),
        ({"METRICS_NETWORKS": "0.0.0.0/0"}, "gateway.W006"),
        ({"REDIS_URL": ""}, "gateway.E001"),
        ({"REDIS_URL": "", "WEB_CONCURRENCY": "1"}, "gateway.W007"),
        ({"SECURE_COOKIES": "false"}, "security.W012"),
        ({"HSTS_SECONDS": "0"}, "security.W004"),
        ({"TRUSTED_PROXY_HOPS": "0"}, "gateway.W008"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_weak_setting_is_named(tmp_path: Path, changes: dict[str, str], found: str) -> None:
    # Without the checks of models, of the admin and of the whole OpenAPI document.
    code, output = check(tmp_path, "--tag", OWN_CHECKS, "--tag", "security", **changes)

    assert code == 1
    assert f"({found})" in output


@pytest.mark.parametrize(
    "changes", [{"JWT_SECRET": PRODUCTION["SECRET_KEY"]}, {"JWT_SECRET": "short"}, {"JWT_SECRET": ""}]
)
def test_secret_that_is_missing_short_or_used_twice_stops_the_start(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    code, output = check(tmp_path, **changes)

    assert code == 1
    assert "JWT_SECRET" in output.strip().splitlines()[-1]
    assert PRODUCTION["SECRET_KEY"] not in output


@pytest.mark.parametrize(
    "secret", ["x" * 64, "ab" * 32, "short", "my-own-secret-key-that-is-very-long-0123456789"]
)
def test_guessable_secrets_are_told(secret: str) -> None:
    assert is_guessable(secret)


def test_random_secrets_are_good() -> None:
    assert not any(is_guessable(secrets.token_urlsafe(48)) for _ in range(50))


@pytest.mark.parametrize(
    ("network", "public"),
    [("0.0.0.0/0", True), ("8.0.0.0/8", True), ("::/0", True), ("10.0.0.0/8", False), ("127.0.0.0/8", False)],
)
def test_public_networks_are_told(network: str, public: bool) -> None:
    assert is_public(network) is public
