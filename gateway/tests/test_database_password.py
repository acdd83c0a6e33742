"""Passwords of the database, with whatever characters they are made of."""

from __future__ import annotations

import os
import secrets
from urllib.parse import quote

import pytest

from gateway.conf import read_config, secret_values
from gateway.env import ConfigurationError
from gateway.tests.forked import run_python

CHARACTERS = "/@:%#?&=+$'\"\\ []{}|~!;,é한"
PASSWORDS = [f"ca{character}nary" for character in CHARACTERS] + [
    "a@b/c",
    "x%41y",
    "//@@::",
    "%",
    "a:1/b@c#d",
]
READ = """
from django.conf import settings
database = settings.DATABASES["default"]
print(database["PASSWORD"] + "|" + database["HOST"])
"""


def read_settings(**settings: str) -> tuple[int, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    own = {
        "GATEWAY_ENV_FILE": os.devnull,
        "DJANGO_SETTINGS_MODULE": "gateway.settings",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_SECRET": secrets.token_urlsafe(48),
        "PYTHONUTF8": "1",
    }
    done = run_python(
        "manage.py", "shell", "--no-imports", "-c", READ, environment=inherited | own | settings
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("password", PASSWORDS)
def test_password_of_its_own_is_read_as_it_is(password: str) -> None:
    url = "postgres://gateway@postgres:5432/gateway"

    config = read_config({"DATABASE_URL": url, "POSTGRES_PASSWORD": password})

    assert (config.database_url, config.postgres_password) == (url, password)
    assert password in secret_values(config)
    assert password not in repr(config)


def test_settings_put_it_in_where_the_url_holds_none() -> None:
    password = "/@:%#?[ x41"
    url = "postgres://gateway@postgres:5432/gateway"

    code, output = read_settings(DATABASE_URL=url, POSTGRES_PASSWORD=password)
    _, given = read_settings(
        DATABASE_URL=f"postgres://u:{quote('of/the@url', safe='')}@h/n", POSTGRES_PASSWORD=password
    )

    assert (code, output.strip()) == (0, f"{password}|postgres")
    assert given.strip() == "of/the@url|h"


@pytest.mark.parametrize("scheme", ["postgres", "redis"])
@pytest.mark.parametrize(
    "password",
    ["canary/x", "a@canary/c", "1/canary", "12?canary", "12#canary", "ca%nary", "can[ary", "canary:1/2"],
)
def test_raw_password_in_a_url_is_an_error_that_repeats_no_part_of_it(scheme: str, password: str) -> None:
    name = {"postgres": "DATABASE_URL", "redis": "REDIS_URL"}[scheme]

    with pytest.raises(ConfigurationError, match=f"^{name}: ") as caught:
        read_config({name: f"{scheme}://gateway:{password}@postgres:5432/gateway"})

    told = f"{caught.value}{caught.value.__cause__}"
    assert not any(part in told for part in ("canary", "ca%", "nary", "can["))


@pytest.mark.parametrize(
    "url",
    [
        "postgres://gateway@postgres:5432/gateway",
        "postgres://gateway:a%2Fb%40c@postgres/gateway?sslmode=require",
        "postgres://gateway:a@b@postgres/gateway",
        "postgres:///gateway?host=/var/run/postgresql",
        "redis://:secret@redis:6379/0",
        "sqlite:////data/a@b/c.sqlite3",
        "unix:///run/redis@1.sock",
    ],
)
def test_url_that_is_clear_is_read_unchanged(url: str) -> None:
    name = "REDIS_URL" if url.startswith(("redis", "unix")) else "DATABASE_URL"

    assert url in {read_config({name: url}).database_url, read_config({name: url}).redis_url}
