"""Writes a backup while the gateway runs: one state of all tables, and the files that it refers to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from gateway.backups.archive import FORMAT, ArchiveWriter, Manifest, TableEntry
from gateway.backups.attached_files import list_names, write_files
from gateway.backups.failures import BackupExists, BackupFailed
from gateway.backups.rows import write_lines
from gateway.backups.schema import Schema, UnknownMigrations, read_schema, stored_fields
from gateway.conf import get_config
from gateway.database.rows import is_postgresql
from gateway.env import SECRETS
from gateway.wording import fill_in

OF_THE_PLACE = frozenset(
    {
        *("DATABASE_URL", "POSTGRES_PASSWORD", "REDIS_URL"),
        *("GATEWAY_ADMIN_PASSWORD", "GATEWAY_USER_PASSWORD"),
    }
)
"""Secrets that another place has others for, and those that matter before there are accounts only."""


def back_up(target: Path) -> Manifest:
    """Write the new file `target`, for its owner only. Raises BackupFailed; then nothing is left behind."""
    if target.exists():
        raise BackupExists(fill_in("{file} exists. A backup replaces nothing.", file=target))
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with open(partial, "xb", opener=_open_private) as stream:
            manifest = write_archive(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(partial, target)  # unlike a renaming, it replaces nothing that came meanwhile
    except FileExistsError as exc:
        raise BackupExists(fill_in("{file} exists by now. A backup replaces nothing.", file=target)) from exc
    except OSError as exc:
        raise BackupFailed(fill_in("{file} was not written: {problem}", file=target, problem=exc)) from exc
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return manifest


def write_archive(stream: IO[bytes]) -> Manifest:
    """Write the archive to a stream, and block until it is done. Raises BackupFailed and OSError."""
    with ArchiveWriter(stream) as archive:
        manifest = _fill(archive)
        archive.finish(manifest)
    return manifest


def _fill(archive: ArchiveWriter) -> Manifest:
    try:
        with _snapshot():
            schema = read_schema()
            _refuse_unmigrated(schema)
            tables = _write_tables(schema, archive)
            names = list_names(schema.models)
    except UnknownMigrations as exc:
        raise BackupFailed(
            fill_in(
                "The database belongs to a later version of the gateway: make the backup with that one "
                "({migrations}).",
                migrations=exc,
            )
        ) from exc
    except DatabaseError as exc:
        raise BackupFailed(fill_in("The database cannot be read: {problem}", problem=exc)) from exc
    files, missing = write_files(names, archive)
    return Manifest(
        format=FORMAT,
        version=settings.PRODUCT_VERSION,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        database=connection.vendor,
        migrations=sorted(schema.migrations),
        tables=tables,
        files=files,
        missing_files=missing,
        secrets=list_secrets(),
    )


def list_secrets() -> list[str]:
    """Names of the secrets that are set here: the copy is of use only with the same."""
    config = get_config()
    set_here = {
        item.metadata["name"]
        for item in fields(config)
        if item.metadata["name"] in SECRETS and getattr(config, item.name)
    }
    return sorted(set_here - OF_THE_PLACE)


@contextlib.contextmanager
def _snapshot() -> Iterator[None]:
    """What is read within it is one state of the database. Nobody who writes waits for it.

    On SQLite it is the read transaction of a database in WAL mode; Django's own would take the write lock.
    """
    if is_postgresql():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def _refuse_unmigrated(schema: Schema) -> None:
    if not schema.migrations:
        raise BackupFailed(fill_in("The database is empty: there is nothing to back up."))


def _write_tables(schema: Schema, archive: ArchiveWriter) -> list[TableEntry]:
    tables = []
    for model in schema.kept:
        entry = TableEntry(
            table=model._meta.db_table,
            columns=[str(field.column) for field in stored_fields(model)],
            rows=0,
            digest="",
            sha256="",
        )
        with archive.member(entry.member) as member:
            digest = write_lines(model, member.write)
        entry.rows, entry.digest, entry.sha256 = digest.rows, str(digest), member.sha256
        tables.append(entry)
    return tables


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
