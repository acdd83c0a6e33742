"""Databases for gateways under test: copies of one that was migrated and seeded once in a test run."""

from __future__ import annotations

import contextlib
import fcntl
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
SHARED_FOLDER = "GATEWAY_TEST_SHARED"
"""The variable that names the folder of all processes of a test run (gateway.tests.plugin makes it)."""
MIGRATED, SEEDED = "gw_migrated", "gw_seeded"
"""Templates: databases as migrations leave them, and with the accounts `admin` and `demo`."""
SQLITE_FILE = "gateway.sqlite3"
FILL_TIMEOUT_S = 180.0
"""Long, as on a busy machine all wait for the first: migrations need 2 to 4 s of CPU."""


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
        shutil.copy(sqlite_template(SEEDED), folder / SQLITE_FILE)
        with contextlib.closing(sqlite3.connect(folder / SQLITE_FILE)) as connection:
            connection.execute("UPDATE accounts_user SET id = lower(hex(randomblob(16)))")
            connection.commit()
        yield settings
        return
    name = "live_" + "".join(c if c.isalnum() else "_" for c in folder.name.lower())
    _copy_postgres(server, postgres_template(server, SEEDED), name)
    url = _in_server(server, name)
    with psycopg.connect(url) as session:
        session.execute("UPDATE accounts_user SET id = gen_random_uuid()")
    try:
        yield {**settings, "DATABASE_URL": url}
    finally:
        with psycopg.connect(server, autocommit=True) as session:
            session.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def sqlite_template(name: str) -> Path:
    """The file of this template, made by the first process of a test run that needs it; others wait."""
    template = _shared_folder() / name
    with _alone(name):
        if not template.exists():
            draft = Path(tempfile.mkdtemp(dir=_shared_folder()))
            if name == SEEDED:
                shutil.copy(sqlite_template(MIGRATED), draft / SQLITE_FILE)
            _fill(name, {**SETTINGS, "GATEWAY_DATA_DIR": str(draft)})
            draft.rename(template)
    return template / SQLITE_FILE


def postgres_template(server: str, name: str) -> str:
    """The name of this template's database on that server, made in the same way."""
    with _alone(f"{name}-{urlsplit(server).port}"), psycopg.connect(server, autocommit=True) as session:
        if not session.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
            draft = f"{name}_draft"
            source = postgres_template(server, MIGRATED) if name == SEEDED else "template1"
            _copy_postgres(server, source, draft)
            with tempfile.TemporaryDirectory() as folder:
                url = _in_server(server, draft)
                _fill(name, {**SETTINGS, "GATEWAY_DATA_DIR": folder, "DATABASE_URL": url})
            session.execute(f'ALTER DATABASE "{draft}" RENAME TO "{name}"')
    return name


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """One process of the run at a time is inside."""
    with (_shared_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _shared_folder() -> Path:
    return Path(os.environ.get(SHARED_FOLDER) or _own_folder().name)


@functools.cache
def _own_folder() -> tempfile.TemporaryDirectory[str]:
    """Of a process that belongs to no test run; gone with it."""
    return tempfile.TemporaryDirectory(prefix="gw-template-")


def _fill(name: str, settings: Mapping[str, str]) -> None:
    command = ("seed_users",) if name == SEEDED else ("migrate", "--verbosity", "0")
    done = run_python("manage.py", *command, environment=settings, timeout_s=FILL_TIMEOUT_S)
    done.check_returncode()


def _copy_postgres(server: str, source: str, target: str) -> None:
    with psycopg.connect(server, autocommit=True) as session:
        session.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
        session.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')


def _in_server(server: str, database: str) -> str:
    return urlsplit(server)._replace(path=f"/{database}").geturl()
