"""Databases for gateways under test: copies of one that was migrated and seeded once in a test run."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from gateway.tests.forked import KEPT_OF_ENVIRONMENT, run_python

ADMIN_PASSWORD = "admin-password-for-tests"
USER_PASSWORD = "user-password-for-tests"
SETTINGS = {
    **{k: v for k, v in os.environ.items() if k in KEPT_OF_ENVIRONMENT},
    "SECRET_KEY": "s" * 40,
    "JWT_SECRET": "j" * 40,
    "DJANGO_SETTINGS_MODULE": "gateway.tests.quick_settings",
    "GATEWAY_ENV_FILE": os.devnull,
    "GATEWAY_ADMIN_PASSWORD": ADMIN_PASSWORD,
    "GATEWAY_USER_PASSWORD": USER_PASSWORD,
}
"""What every gateway under test is told."""
TEMPLATE = "live_template"
SQLITE_FILE = "gateway.sqlite3"


@dataclass(frozen=True)
class Stores:
    """What processes under test keep their data in. The fixture `stores` is what the run is on."""

    database_url: str = ""
    redis_url: str = ""


@contextlib.contextmanager
def own_database(stores: Stores, folder: Path) -> Iterator[dict[str, str]]:
    """A database with the accounts `admin` and `demo`, and the settings of a gateway that uses it.

    On the PostgreSQL of `stores`, else in `folder`. The accounts have ids of their own, as Redis counts by
    them for every gateway of the run.
    """
    settings = {**SETTINGS, "GATEWAY_DATA_DIR": str(folder)}
    if stores.redis_url:
        settings["REDIS_URL"] = stores.redis_url
    server = stores.database_url
    if not server:
        shutil.copy(Path(_sqlite_template().name, SQLITE_FILE), folder)
        with contextlib.closing(sqlite3.connect(folder / SQLITE_FILE)) as connection:
            connection.execute("UPDATE accounts_user SET id = lower(hex(randomblob(16)))")
            connection.commit()
        yield settings
        return
    name = "live_" + "".join(c if c.isalnum() else "_" for c in folder.name.lower())
    _copy_postgres(server, _postgres_template(server), name)
    url = _in_server(server, name)
    with psycopg.connect(url) as session:
        session.execute("UPDATE accounts_user SET id = gen_random_uuid()")
    try:
        yield {**settings, "DATABASE_URL": url}
    finally:
        with psycopg.connect(server, autocommit=True) as session:
            session.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@functools.cache
def _sqlite_template() -> tempfile.TemporaryDirectory[str]:
    """The folder that it is in; gone with this process."""
    with contextlib.ExitStack() as on_failure:
        folder = tempfile.TemporaryDirectory(prefix="gw-template-")
        on_failure.callback(folder.cleanup)
        _fill({**SETTINGS, "GATEWAY_DATA_DIR": folder.name})
        on_failure.pop_all()
    return folder


@functools.cache
def _postgres_template(server: str) -> str:
    _copy_postgres(server, "template1", TEMPLATE)
    with tempfile.TemporaryDirectory() as folder:
        _fill({**SETTINGS, "GATEWAY_DATA_DIR": folder, "DATABASE_URL": _in_server(server, TEMPLATE)})
    return TEMPLATE


def _fill(settings: Mapping[str, str]) -> None:
    for command in (("migrate", "--verbosity", "0"), ("seed_users",)):
        run_python("manage.py", *command, environment=settings).check_returncode()


def _copy_postgres(server: str, source: str, target: str) -> None:
    with psycopg.connect(server, autocommit=True) as session:
        session.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
        session.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')


def _in_server(server: str, database: str) -> str:
    return urlsplit(server)._replace(path=f"/{database}").geturl()
