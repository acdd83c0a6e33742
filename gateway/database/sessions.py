"""Connections to PostgreSQL beside the one that Django keeps for a thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections


def connect_apart() -> psycopg.Connection:
    """A new connection with the settings of Django's, for the caller to close. Not in autocommit mode."""
    wrapper = connections.create_connection(DEFAULT_DB_ALIAS)
    session: psycopg.Connection = wrapper.get_new_connection(wrapper.get_connection_params())
    return session


@contextlib.contextmanager
def try_lock(number: int) -> Iterator[bool]:
    """Whether the advisory lock of this number is ours within the context: at most one holds it.

    A transaction holds it, on a connection of its own: a pooler lends that to nobody else until it ends. One
    that has read nothing but the lock keeps no row from being vacuumed.
    """
    with contextlib.closing(connect_apart()) as session:
        session.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        row = session.execute("SELECT pg_try_advisory_xact_lock(%s)", [number]).fetchone()
        yield row is not None and bool(row[0])
