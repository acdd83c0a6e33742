"""Statements that name the request for which they run, for whoever reads the database's own log.

Off by default (DATABASE_COMMENTS): a statement whose text differs each time is parsed and planned each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from gateway.request_id import current_request_id


def comment_statements() -> None:
    """From now on, in every connection of this process."""
    connection_created.connect(_install, dispatch_uid="gateway.database.comments")


def _install(connection: BaseDatabaseWrapper, **_more: Any) -> None:
    # A connection that was closed and opened again has its wrappers still.
    if append_request_id not in connection.execute_wrappers:
        connection.execute_wrappers.append(append_request_id)


def append_request_id(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Mapping[str, Any]
) -> Any:
    """An execute wrapper of Django's. The id is letters, digits, `-` and `_` only (`accept_request_id`)."""
    if request_id := current_request_id.get():
        sql = f"{sql} /* request_id='{request_id}' */"
    return execute(sql, params, many, context)
