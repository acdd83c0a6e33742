"""How PostgreSQL searches: bucket by bucket, by the index of the terms, and no further than it has to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from conversations.models import Message, SearchKind
from conversations.search import store
from conversations.search.candidates import find_candidates
from conversations.search.pending import find_pending
from conversations.search.queries import SearchQuery, parse_words
from conversations.search.refreshing import SETTLED, index_account, refresh
from conversations.tests.rest import add
from gateway.ids import first_id_at

pytestmark = [pytest.mark.django_db, pytest.mark.services]

ROWS = 3000
BUCKETS = 10


@pytest.fixture(autouse=True)
def said(mina: User, juno: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many messages that no plan may read them all."""
    monkeypatch.setattr(store, "BUCKET_ENTRIES", ROWS // BUCKETS)
    for owner in (mina, juno):
        talks = [add(owner, title=f"talk {n}") for n in range(60)]
        Message.objects.bulk_create(
            Message(conversation=talks[n % 60], owner=owner, role="user", content=f"common words {n % 50}th")
            for n in range(ROWS)
        )
        index_account(owner.id, timezone.now(), most=ROWS * 2)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def plan_of(call: Callable[[], object]) -> str:
    """What its last statement did."""
    statements: list[tuple[str, Any]] = []
    plans: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "WITH" in sql or "LATERAL" in sql:
            statements.append((sql, params))
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {sql}", params)
                plans.append("\n".join(line for (line,) in cursor))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        call()
    return plans[-1]


@pytest.mark.parametrize(("q", "buckets"), [("common", 1), ("7th common", 2), ("nowhere", 10)], ids=str)
def test_search_looks_into_as_few_buckets_as_it_needs(mina: User, q: str, buckets: int) -> None:
    query = SearchQuery(owner_id=mina.id, words=parse_words(q))

    plan = plan_of(lambda: find_candidates(query, SearchKind.MESSAGES, before=None, most=50))

    assert "Seq Scan" not in plan
    (loops,) = re.findall(r"Bitmap Index Scan on conversations_messageentry_terms .*loops=(\d+)\)", plan)
    assert int(loops) == buckets


def test_new_messages_are_found_from_the_mark_on(mina: User) -> None:
    now = timezone.now()
    mark = first_id_at(now + SETTLED)

    plan = plan_of(lambda: find_pending(mina.id, after=mark, touched_since=now, most=100, now=now))

    assert "Seq Scan on conversations_message " not in plan
    assert "message_of_owner" in plan
    assert "Seq Scan on conversations_messageentry" not in plan


def test_search_that_has_nothing_to_index_locks_nothing(mina: User) -> None:
    now = timezone.now()
    refresh(mina.id, now)
    with connection.execute_wrapper(_refuse_locks):
        assert refresh(mina.id, now)


def _refuse_locks(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    assert "FOR UPDATE" not in sql
    assert not sql.startswith(("INSERT", "UPDATE", "DELETE"))
    return execute(sql, params, many, context)
