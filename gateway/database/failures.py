"""What a failure of the database is for clients."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from django.db import InterfaceError, OperationalError

from gateway.errors import DependencyUnavailable
from gateway.wording import Translatable

QUERY_CANCELED = "57014"

BY_SQLITE: Mapping[int, Translatable] = {
    sqlite3.SQLITE_FULL: "The database cannot write: its disk is full.",
    sqlite3.SQLITE_IOERR: "The database cannot read or write its disk.",
    sqlite3.SQLITE_READONLY: "The database may not write to its file.",
    sqlite3.SQLITE_CANTOPEN: "The database cannot open its file.",
    sqlite3.SQLITE_BUSY: "The database is busy.",
    sqlite3.SQLITE_LOCKED: "The database is busy.",
}
"""By the primary part of SQLite's result code."""
BY_SQLSTATE: Mapping[str, Translatable] = {
    "53100": "The database cannot write: its disk is full.",
    "53300": "The database takes no more connections.",
    "25006": "The database may not write: it is read-only.",
    QUERY_CANCELED: "The database took too long.",
}


def is_timeout(exc: OperationalError | InterfaceError) -> bool:
    """True when PostgreSQL gave a query up, or was given up itself (QueryTimeout)."""
    return getattr(exc.__cause__, "sqlstate", None) == QUERY_CANCELED


def explain_failure(exc: OperationalError | InterfaceError) -> DependencyUnavailable:
    """The error for whoever asked, with the cause where the database names one that tells no secret."""
    cause = exc.__cause__
    message = BY_SQLSTATE.get(getattr(cause, "sqlstate", None) or "")
    if isinstance(cause, sqlite3.Error):
        message = BY_SQLITE.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
    return DependencyUnavailable(message or "The database does not answer.")
