"""The backend that DATABASES names: Django's own for PostgreSQL, whose waits can be bounded.

A server that is frozen, or a network that drops packets, answers nothing and closes nothing. libpq waits
for ever then: `statement_timeout` is the server's, and the kernel of a frozen server acknowledges packets.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, TypeVar

import psycopg
from django.db.backends.postgresql import base
from django.utils.functional import cached_property
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

from gateway.database.bounds import QUERY_TIMEOUT

Value = TypeVar("Value")


class QueryTimeout(psycopg.errors.QueryCanceled):
    """The server said nothing for too long. Its connection is closed; what it was told may be done or not."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when a query takes longer than `query_timeout_s`."""

    query_timeout_s: float | None = None

    def wait(self, gen: PQGen[Value], interval: float = 0.1, timeout: float | None = None) -> Value:
        """See psycopg.Connection.wait. Raises QueryTimeout."""
        try:
            return super().wait(gen, interval, timeout=self.query_timeout_s if timeout is None else timeout)
        except psycopg.OperationalError as exc:
            # An answer, also one that is an error, ends this state; so does a connection that broke.
            if self.query_timeout_s is None or self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.pgconn.finish()
            raise QueryTimeout(f"no answer within {self.query_timeout_s:g} seconds") from exc


def is_pooled(session: psycopg.Connection[Any]) -> bool:
    """Whether something between us and the server lends us its connections, as PgBouncer does.

    A pooler makes up the process id that a client may cancel by.
    """
    row = session.execute("SELECT pg_backend_pid()").fetchone()
    return row is None or row[0] != session.info.backend_pid


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, with connections of the class above."""

    Database = SimpleNamespace(**vars(psycopg) | {"connect": BoundedConnection.connect})  # type: ignore[assignment]

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        query_timeout_s = conn_params.pop(QUERY_TIMEOUT, None)
        connection = super().get_new_connection(conn_params)
        connection.query_timeout_s = query_timeout_s
        return connection

    def chunked_cursor(self) -> Any:
        """A cursor for many rows: the server's own, of which the rows come in pieces.

        Outside a transaction a pooler may ask somebody else's session for the next piece, so all rows come at
        once there.
        """
        self.ensure_connection()
        if self.connection.autocommit and self.is_pooled:
            return self.cursor()
        return super().chunked_cursor()

    @cached_property
    def is_pooled(self) -> bool:
        return is_pooled(self.connection)

    def prepared_cursor(self) -> Any:
        """A cursor that has the server bind its parameters, and prepare a statement that comes often.

        Others of Django's put the values into the text, which the server then parses and plans each time.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        with self.wrap_database_errors:
            return self._prepare_cursor(base.ServerBindingCursor(self.connection))  # type: ignore[attr-defined, call-arg]
