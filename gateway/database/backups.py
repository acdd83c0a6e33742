"""Copies of the database that are whole, made while it is being written."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import connection

from gateway.database.rows import is_postgresql

LIBPQ_VARIABLES = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}
NO_PG_DUMP = (
    "pg_dump is not installed here. It comes with PostgreSQL's client programs (apt-get install "
    "postgresql-client), not older than the server; with Docker Compose: "
    "docker compose exec -T postgres pg_dump -U gateway -Fc gateway > gateway.dump"
)


class BackupFailed(Exception):
    """There is no copy; the message says why."""


class BackupExists(BackupFailed):
    """Something has the name of the file to write."""


def back_up(target: Path) -> None:
    """Write a copy of the database to the new file `target`, for its owner only.

    Of SQLite a database file, of PostgreSQL a dump in pg_dump's custom format. Blocks until it is done; the
    database may be used meanwhile. Raises BackupFailed, and leaves nothing behind then.
    """
    if target.exists():
        raise BackupExists(f"{target} exists. A backup replaces nothing.")
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        if is_postgresql():
            _dump_postgres(connection.settings_dict, partial)
        else:
            _copy_sqlite(connection.settings_dict["NAME"], partial)
        os.link(partial, target)  # unlike a renaming, it replaces nothing that came meanwhile
    except FileExistsError as exc:
        raise BackupExists(f"{target} exists by now. A backup replaces nothing.") from exc
    except (OSError, sqlite3.Error) as exc:
        raise BackupFailed(f"{target} was not written: {exc}") from exc
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _copy_sqlite(source: str | Path, target: Path) -> None:
    """SQLite's backup API: one state of the database, with what is still in the write-ahead log."""
    with (
        contextlib.closing(
            sqlite3.connect(f"{Path(source).resolve().as_uri()}?mode=ro", uri=True)
        ) as original,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(copy)


def _dump_postgres(database: Mapping[str, Any], target: Path) -> None:
    options = {
        variable: str(database["OPTIONS"][name])
        for name, variable in LIBPQ_VARIABLES.items()
        if name in database["OPTIONS"]
    }
    # Not as an argument, which everybody on the machine can read.
    password = {"PGPASSWORD": database["PASSWORD"]} if database["PASSWORD"] else {}
    places = {"host": database["HOST"], "port": database["PORT"], "username": database["USER"]}
    argv = ["pg_dump", "--format=custom", "--no-password", f"--file={target}"]
    argv += [f"--{name}={value}" for name, value in places.items() if value]
    try:
        done = subprocess.run(  # noqa: S603 - our own argv, never a shell
            [*argv, f"--dbname={database['NAME']}"],
            env={**os.environ, **options, **password},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as exc:
        raise BackupFailed(NO_PG_DUMP) from exc
    if done.returncode:
        raise BackupFailed(f"pg_dump failed: {done.stderr.strip()[-1000:]}")
