"""The settings files: the brief's own one works as it is, and which file wins over which."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gateway.conf import GatewayConfig, check_secrets, read_config, with_generated_secrets
from gateway.env import load_dotenvs, parse_database_url
from gateway.tests.forked import run_python

BRIEFS_DOTENV = """\
JWT_SECRET=dev-jwt-secret-key-for-vllm-gateway-development-only-change-in-production
DEBUG=True
LOG_LEVEL=DEBUG
VLLM_BASE_URL=http://localhost:8000/v1
CORS_ORIGINS=["http://localhost:3000"]
DATABASE_URL=postgresql+asyncpg://chatuser:secure_password_123@localhost:5432/chatdb
REDIS_URL=redis://localhost:6379/0
RATE_LIMIT_REQUESTS=100
RATE_LIMIT_WINDOW=3600
"""

BRIEFS_FURTHER_SETTINGS = """\
VLLM_BASE_URL=http://localhost:8000/v1
VLLM_API_KEY=
JWT_ALGORITHM=HS256
JWT_EXPIRE_HOURS=24
DATABASE_URL=postgresql+asyncpg://user:pass@localhost/chatdb
REDIS_URL=redis://localhost:6379/0
CORS_ORIGINS=["http://localhost:3000"]
RATE_LIMIT_REQUESTS=100
RATE_LIMIT_WINDOW=3600
LOG_LEVEL=INFO
"""

SHOW_SETTINGS = """
import json
from django.conf import settings
print(json.dumps({"debug": settings.DEBUG, "database": settings.DATABASES["default"]}, default=str))
"""


def read_files(folder: Path) -> GatewayConfig:
    return with_generated_secrets(read_config(load_dotenvs(folder / ".env", {})))


def test_the_briefs_dotenv_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(BRIEFS_DOTENV)

    config = read_files(tmp_path)

    check_secrets(config)
    assert config.debug is True
    assert config.log_level == "DEBUG"
    assert config.engine_url == "http://localhost:8000"
    assert config.cors_origins == ("http://localhost:3000",)
    assert config.database_url == "postgresql://chatuser:secure_password_123@localhost:5432/chatdb"
    assert config.redis_url == "redis://localhost:6379/0"
    assert (config.rate_limit_requests, config.rate_limit_window_s) == (100, 3600)


def test_the_briefs_further_settings_lie_over_it_in_the_local_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(BRIEFS_DOTENV)
    (tmp_path / ".env.local").write_text(BRIEFS_FURTHER_SETTINGS)

    config = read_files(tmp_path)

    check_secrets(config)
    assert (config.jwt_algorithm, config.jwt_expire_hours) == ("HS256", 24)
    assert (config.vllm_api_key, config.log_level, config.debug) == ("", "INFO", True)
    assert config.database_url == "postgresql://user:pass@localhost/chatdb"


def test_commands_start_on_the_briefs_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(BRIEFS_DOTENV)
    environment = {"PATH": os.defpath} | {
        "GATEWAY_ENV_FILE": str(tmp_path / ".env"),
        "GATEWAY_DATA_DIR": str(tmp_path),
    }

    done = run_python("manage.py", "shell", "--no-imports", "-c", SHOW_SETTINGS, environment=environment)

    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout.splitlines()[-1])
    database = shown["database"]
    assert shown["debug"] is True
    assert (database["HOST"], int(database["PORT"]), database["NAME"]) == ("localhost", 5432, "chatdb")
    assert (database["USER"], database["PASSWORD"]) == ("chatuser", "secure_password_123")


def test_environment_wins_over_the_local_file_and_that_over_the_common_one(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=common\nB=common\nC=common\n")
    (tmp_path / ".env.local").write_text("A=local\nB=local\n")

    merged = load_dotenvs(tmp_path / ".env", {"A": "environment"})

    assert merged == {"A": "environment", "B": "local", "C": "common"}


def test_local_file_works_without_a_common_one(tmp_path: Path) -> None:
    (tmp_path / ".env.local").write_text("A=local\n")

    assert load_dotenvs(tmp_path / ".env", {}) == {"A": "local"}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("postgres://u:p@h:1/n", "postgres://u:p@h:1/n"),
        ("postgresql+asyncpg://u:p@h/n", "postgresql://u:p@h/n"),
        ("postgres+psycopg2://u:p+q@h/n", "postgres://u:p+q@h/n"),
        ("sqlite+aiosqlite:////tmp/x.sqlite3", "sqlite:////tmp/x.sqlite3"),
        ("postgresql+asyncpg://u:p@h/n?ssl=true&x=1", "postgresql://u:p@h/n?sslmode=require&x=1"),
        ("postgresql://u:p@h/n?ssl=verify-full", "postgresql://u:p@h/n?sslmode=verify-full"),
    ],
)
def test_database_url_may_name_a_driver_and_its_options(given: str, read: str) -> None:
    assert parse_database_url("DATABASE_URL", given) == read


def test_key_that_is_not_set_follows_from_the_other_secret() -> None:
    shared = {"database_url": "postgres://host/db"}

    first, again, other = (
        with_generated_secrets(GatewayConfig(jwt_secret=secret * 32, **shared))  # type: ignore[arg-type]
        for secret in ("a", "a", "b")
    )

    check_secrets(first)
    assert first.secret_key == again.secret_key != other.secret_key
    assert "a" * 32 not in first.secret_key
