"""Puts an archive in the place of a database's content: all of it, or nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from conversations.search.building import build_index, deferred_terms_index
from gateway.audit import record_change
from gateway.backups.archive import Archive, Manifest, TableEntry
from gateway.backups.attached_files import FileRestore
from gateway.backups.failures import ArchiveDamaged, RestoreFailed, RestoreRefused
from gateway.backups.rows import digest_table, insert_lines, reset_sequences
from gateway.backups.schema import (
    Schema,
    UnknownMigrations,
    announce_migrations,
    empty_tables,
    migrate_to,
    read_schema,
    remake_tables,
    schema_of_code,
    stored_fields,
)
from gateway.wording import fill_in

SAID_TO_RUN_FOR = timedelta(seconds=30)
"""After it was last seen, as a process that is killed says no more."""


@dataclass(frozen=True)
class RestoreTarget:
    """The database that is restored into, as it is."""

    schema: Schema
    accounts: int
    conversations: int

    @property
    def is_empty(self) -> bool:
        """What `migrate` and `load_profiles` put there does not count: nobody misses it."""
        return not self.accounts and not self.conversations


def check_restore(archive: Archive, *, may_replace: bool) -> RestoreTarget:
    """Find everything that is in the way, before anything is written.

    Raises ArchiveDamaged, and RestoreRefused for a later version's archive or database, for a gateway that
    runs, and for a database with accounts or conversations unless those may be replaced.
    """
    archive.check()
    _refuse_later_archive(archive.manifest)
    target = _read_target()
    _refuse_running(target.schema)
    if not target.is_empty and not may_replace:
        raise RestoreRefused(
            fill_in(
                "The database is not empty: it has {accounts} accounts and {conversations} conversations. "
                "--yes replaces all of it with the archive.",
                accounts=target.accounts,
                conversations=target.conversations,
            )
        )
    return target


def restore(archive: Archive, target: RestoreTarget) -> None:
    """Replace what `check_restore` looked at. Raises RestoreFailed; then, and after a crash, nothing changed.

    The tables and rows are one transaction, in which they are read once more and compared with the manifest
    before it ends. Files are added before.
    """
    files = FileRestore(archive)
    try:
        files.add_missing()
        with _foreign_keys_checked_at_end(), transaction.atomic():
            _replace_content(archive, target.schema)
    except (RestoreFailed, DatabaseError, OSError, ValidationError) as exc:
        files.undo()
        if isinstance(exc, RestoreFailed):
            raise
        raise RestoreFailed(fill_in("Nothing was restored: {problem}", problem=exc)) from exc
    except BaseException:
        files.undo()
        raise
    apps.get_model("contenttypes", "ContentType").objects.clear_cache()
    if set(archive.manifest.migrations) != schema_of_code().migrations:
        announce_migrations()


def rebuild_search_index() -> None:
    """The last step: searches find nothing before. `index_messages` goes on where it was interrupted."""
    with deferred_terms_index():
        for _done in build_index():
            pass


def _refuse_later_archive(manifest: Manifest) -> None:
    try:
        _ = Schema(frozenset(manifest.migrations)).models
    except UnknownMigrations as exc:
        raise RestoreRefused(
            fill_in(
                "The archive is of version {version} of the gateway, which is later than this one: restore "
                "it with that version ({migrations}).",
                version=manifest.version,
                migrations=exc,
            )
        ) from exc


def _read_target() -> RestoreTarget:
    schema = read_schema()
    try:
        models = {model._meta.db_table: model for model in schema.models}
    except UnknownMigrations as exc:
        raise RestoreRefused(
            fill_in(
                "The database belongs to a later version of the gateway. Use that one, or an empty database "
                "({migrations}).",
                migrations=exc,
            )
        ) from exc
    accounts, conversations = (
        models[table]._base_manager.count() if table in models else 0
        for table in ("accounts_user", "conversations_conversation")
    )
    return RestoreTarget(schema, accounts, conversations)


def _refuse_running(schema: Schema) -> None:
    """Its processes would go on with what they know of the old rows, and hold locks meanwhile."""
    known = {model._meta.db_table for model in schema.models} if schema.migrations else set()
    for model in (apps.get_model("modelops", name) for name in ("WebPresence", "SwitcherPresence")):
        if model._meta.db_table not in known:
            continue
        seen = model._base_manager.filter(seen_at__gte=Now() - SAID_TO_RUN_FOR).values_list("host", "pid")
        for host, pid in seen:
            raise RestoreRefused(
                fill_in(
                    "The gateway runs on this database (process {pid} on {host}). Stop its web processes and "
                    "switchers first; one that was killed counts as running for {seconds} seconds.",
                    pid=pid,
                    host=host,
                    seconds=int(SAID_TO_RUN_FOR.total_seconds()),
                )
            )


@contextlib.contextmanager
def _foreign_keys_checked_at_end() -> Iterator[None]:
    """On SQLite, where this is no matter of a transaction. PostgreSQL's are checked at the end anyway."""
    is_off = connection.disable_constraint_checking()
    try:
        yield
    finally:
        if is_off:
            connection.enable_constraint_checking()


def _replace_content(archive: Archive, old: Schema) -> None:
    archived = Schema(frozenset(archive.manifest.migrations))
    if old.migrations != archived.migrations:
        remake_tables(old, archived)
    empty_tables(archived.models)
    _load_tables(archive, archived)
    connection.check_constraints()
    reset_sequences(archived.models)
    code = schema_of_code()
    if code.migrations != archived.migrations:
        migrate_to(code)
        connection.check_constraints()
    record_change(
        "database_restored",
        apps.get_model("accounts", "User"),
        request=None,
        changes={
            "made_at": archive.manifest.made_at,
            "version": archive.manifest.version,
            "rows": archive.manifest.rows,
            "files": len(archive.manifest.files),
        },
    )


def _load_tables(archive: Archive, schema: Schema) -> None:
    models = {model._meta.db_table: model for model in schema.kept}
    entries = archive.manifest.tables
    if {entry.table for entry in entries} != set(models):
        raise ArchiveDamaged(fill_in("The archive is damaged: it does not hold what its manifest says."))
    for entry in entries:
        model = models[entry.table]
        if entry.columns != [field.column for field in stored_fields(model)]:
            raise ArchiveDamaged(
                fill_in("The archive is damaged: table {table} has other columns.", table=entry.table)
            )
        with archive.open(entry.member) as lines:
            insert_lines(model, lines)
    for entry in entries:
        _compare(entry, models)


def _compare(entry: TableEntry, models: dict[str, type]) -> None:
    """Read the table as it is now, and compare it with what was backed up."""
    digest = digest_table(models[entry.table])
    if (digest.rows, str(digest)) != (entry.rows, entry.digest):
        raise RestoreFailed(
            fill_in(
                "Nothing was restored: table {table} came out with {rows} rows that are not the {expected} "
                "of the backup.",
                table=entry.table,
                rows=digest.rows,
                expected=entry.rows,
            )
        )
