"""Statements with DATABASE_COMMENTS: the id of the request is behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.backends.signals import connection_created

from accounts.models import User
from gateway.database.comments import _install, append_request_id, comment_statements
from gateway.request_id import current_request_id


@pytest.fixture
def request_id() -> Iterator[str]:
    token = current_request_id.set("req-1_a")
    yield "req-1_a"
    current_request_id.reset(token)


@contextmanager
def executed() -> Iterator[list[str]]:
    """The statements as they reach the database's driver."""
    seen: list[str] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(append_request_id), connection.execute_wrapper(note):
        yield seen


@pytest.mark.django_db
def test_statement_of_a_request_names_it(request_id: str) -> None:
    with executed() as seen:
        is_there = User.objects.filter(username="100%").exists()

    assert not is_there
    assert [sql.partition(" /*")[2] for sql in seen] == [f" request_id='{request_id}' */"]


@pytest.mark.django_db
def test_statement_without_a_request_is_left_as_it_is() -> None:
    with executed() as seen:
        User.objects.exists()

    assert len(seen) == 1
    assert "/*" not in seen[0]


def test_connections_that_are_opened_from_now_on_have_it_once() -> None:
    try:
        comment_statements()
        another = connection.copy()
        for _ in range(2):
            connection_created.send(type(another), connection=another)
    finally:
        connection_created.disconnect(_install, dispatch_uid="gateway.database.comments")

    assert another.execute_wrappers == [append_request_id]
