"""Which tables a database has after which migrations, and which of them are worth keeping.

Tables are described by the models as the migrations left them, and not by those of the code: an archive of an
older version is read into the tables of that version.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.core.management.sql import emit_post_migrate_signal
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Field, Model

from gateway.database.rows import is_postgresql

MigrationKey = tuple[str, str]
"""Application and name."""
DERIVED_TABLES = frozenset(
    {
        # The index of searches: half of it is in columns and tables that Django does not know, and each
        # database has its own. It is built again from the messages.
        "conversations_searchmark",
        "conversations_searchbucket",
        "conversations_messageentry",
        "conversations_titleentry",
        # Processes that run while the backup is made.
        "modelops_switcherpresence",
        "modelops_webpresence",
        # What was wrong then and there, and whether a chat room was told.
        "modelops_raisedalarm",
    }
)
"""Tables that are empty after a restore."""


class UnknownMigrations(Exception):
    """They belong to a version of the gateway that this one does not know."""


@dataclass(frozen=True)
class Schema:
    """The tables after these migrations."""

    migrations: frozenset[MigrationKey]

    @cached_property
    def models(self) -> Sequence[type[Model]]:
        """One of each table that migrations made, by its name. Raises UnknownMigrations."""
        loader = MigrationLoader(None, ignore_no_migrations=True)
        unknown = self.migrations - set(loader.graph.nodes)
        if unknown:
            raise UnknownMigrations(", ".join(sorted(f"{app}.{name}" for app, name in unknown)))
        state = loader.project_state(self.leaves(loader))
        known = [model for model in state.apps.get_models(include_auto_created=True) if model._meta.managed]
        return sorted(
            (model for model in known if not model._meta.proxy), key=lambda model: model._meta.db_table
        )

    @property
    def kept(self) -> Sequence[type[Model]]:
        return [model for model in self.models if model._meta.db_table not in DERIVED_TABLES]

    def leaves(self, loader: MigrationLoader) -> list[MigrationKey]:
        """The migrations that none of the others follows."""
        nodes = loader.graph.node_map
        return sorted(
            key
            for key in self.migrations
            if not any(child.key in self.migrations for child in nodes[key].children)
        )


def read_schema() -> Schema:
    """That of the database. It has no migrations before `migrate` ran for the first time."""
    return Schema(frozenset(MigrationRecorder(connection).applied_migrations()))


def schema_of_code() -> Schema:
    """That which `migrate` would bring about."""
    return Schema(frozenset(MigrationLoader(None, ignore_no_migrations=True).graph.nodes))


def stored_fields(model: type[Model]) -> list[Field[Any, Any]]:
    """The columns that are written: what the database computes by itself is not among them."""
    return [field for field in model._meta.concrete_fields if not field.generated]


def remake_tables(old: Schema, new: Schema) -> None:
    """Within a transaction: remove the tables of the one and make those of the other, empty.

    On SQLite, to be called with the checks of foreign keys off, as Django's migrations demand.
    """
    tables = [model._meta.db_table for model in old.models] if old.migrations else []
    with connection.cursor() as cursor:
        if not is_postgresql():
            # With them go the tables in which they keep their content.
            cursor.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%%'")
            tables = [name for (name,) in cursor.fetchall()] + tables
        cascade = " CASCADE" if is_postgresql() else ""
        for table in [*tables, MigrationRecorder.Migration._meta.db_table]:
            cursor.execute(f"DROP TABLE IF EXISTS {connection.ops.quote_name(table)}{cascade}")
    migrate_to(new)


def migrate_to(schema: Schema) -> None:
    """Within a transaction: apply the migrations that are missing."""
    executor = MigrationExecutor(connection, progress_callback=_check_between)
    executor.migrate(schema.leaves(executor.loader))


def _check_between(action: str, *_migration: object) -> None:
    """PostgreSQL changes no table of which checks are still to be done, as at the end of a transaction."""
    if action == "apply_success":
        connection.check_constraints()


def empty_tables(models: Collection[type[Model]]) -> None:
    """Within a transaction: remove all rows, those that migrations put there as well."""
    names = [connection.ops.quote_name(model._meta.db_table) for model in models]
    with connection.cursor() as cursor:
        if is_postgresql():
            connection.check_constraints()
            cursor.execute(f"TRUNCATE {', '.join(names)}")
            return
        for name in names:
            cursor.execute(f"DELETE FROM {name}")  # noqa: S608 - our own tables


def announce_migrations() -> None:
    """After the transaction: have Django add the permissions that came with later migrations."""
    emit_post_migrate_signal(verbosity=0, interactive=False, db=DEFAULT_DB_ALIAS)
