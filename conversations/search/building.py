"""Builds the index of all accounts: after an upgrade, after rows came by other ways, and to be sure."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from conversations.models import MessageEntry
from conversations.search.refreshing import MOST_ON_SQLITE, NOTHING, index_account
from gateway.database.rows import is_postgresql

PASS_MESSAGES = 10_000
"""Of one transaction on PostgreSQL, after which a run that was interrupted goes on when it is repeated."""
BUILD_MEMORY = "256MB"
"""That PostgreSQL takes to build the index of terms."""


@dataclass(frozen=True)
class BuiltPass:
    """What one transaction of a run did."""

    owner_id: uuid.UUID
    indexed: int
    is_last: bool
    """Whether the account is complete."""


def build_index() -> Iterator[BuiltPass]:
    """Compare every message with the index, and index what is missing or grew; account by account.

    In as much memory for many messages as for few. Searches and chats go on meanwhile; a search of the
    account that is being indexed waits for the pass that runs.
    """
    for owner_id in list(get_user_model().objects.order_by("pk").values_list("pk", flat=True)):
        yield from build_index_of(owner_id)


def build_index_of(owner_id: uuid.UUID) -> Iterator[BuiltPass]:
    """As `build_index`, of one account: first what searches would index, then what they do not look for."""
    most = PASS_MESSAGES if is_postgresql() else min(PASS_MESSAGES, MOST_ON_SQLITE)
    is_complete = False
    while not is_complete:
        done = index_account(owner_id, timezone.now(), most=most)
        is_complete = done.is_complete
        yield BuiltPass(owner_id, done.indexed, is_last=False)
    start, is_last = NOTHING, False
    while not is_last:
        done = index_account(owner_id, timezone.now(), most=most, start=start)
        start, is_last = done.after, done.is_complete
        yield BuiltPass(owner_id, done.indexed, is_last)


@contextlib.contextmanager
def deferred_terms_index() -> Iterator[None]:
    """Have PostgreSQL build the index of the messages' terms at the end, which takes less than to keep it.

    Searches find no index meanwhile, and may take too long. One that is missing, as after a run that was
    killed, is built in any case. On SQLite, nothing.
    """
    if not is_postgresql():
        yield
        return
    table = MessageEntry._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {table}_terms")
    try:
        yield
    finally:
        ensure_terms_index()


def ensure_terms_index() -> None:
    """Build the index of the messages' terms where there is none (`deferred_terms_index`)."""
    if not is_postgresql():
        return
    table = MessageEntry._meta.db_table
    with transaction.atomic(), connection.cursor() as cursor:
        # IF NOT EXISTS would wait for every writer before it looks.
        cursor.execute("SELECT to_regclass(%s)", [f"{table}_terms"])
        if cursor.fetchone() != (None,):
            return
        cursor.execute(f"SET LOCAL maintenance_work_mem = '{BUILD_MEMORY}'")
        cursor.execute(f"CREATE INDEX {table}_terms ON {table} USING gin (terms) WITH (fastupdate = off)")
