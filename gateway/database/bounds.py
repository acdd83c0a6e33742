"""How long a process waits for PostgreSQL."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connections

BACKEND = "gateway.database"
QUERY_TIMEOUT = "query_timeout"
"""The name of the bound, in seconds, among the OPTIONS of a database; without it there is none."""
SERVERS_SHARE = 0.9
"""The part of the bound after which the server gives up by itself: it would go on for nobody."""
CONNECT_TIMEOUT_S = 5.0


def connection_options(timeout_s: float) -> dict[str, int]:
    """libpq's bounds on a connection, for every process: the wait to connect, and for a peer that is gone."""
    return {
        "connect_timeout": max(2, int(min(CONNECT_TIMEOUT_S, timeout_s))),
        "tcp_user_timeout": int(timeout_s * 1000),
        "keepalives": 1,
        "keepalives_idle": max(1, int(timeout_s / 2)),
        "keepalives_interval": max(1, int(timeout_s / 5)),
        "keepalives_count": 3,
    }


def bound_queries(timeout_s: float) -> None:
    """Bound every query of this process on PostgreSQL; called before it has connected.

    For processes that answer requests. A migration, or a dump, may take as long as it takes.
    """
    database = connections.settings[DEFAULT_DB_ALIAS]
    if database["ENGINE"] != BACKEND:
        return
    options = database["OPTIONS"]
    options[QUERY_TIMEOUT] = timeout_s
    bound = f"-c statement_timeout={int(timeout_s * SERVERS_SHARE * 1000)}"
    options["options"] = f"{options.get('options', '')} {bound}".strip()


PREPARE_AFTER = 5
"""Executions of one statement on one connection, as psycopg's own default."""


def preparation_options(may_prepare: bool) -> dict[str, int]:
    """Of statements whose parameters the server binds; Django's default is not to prepare any."""
    return {"prepare_threshold": PREPARE_AFTER} if may_prepare else {}
