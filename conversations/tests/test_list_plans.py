"""How PostgreSQL reads a page of each list of conversations: from where it starts in one index."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from conversations.models import Conversation, Folder
from conversations.selectors import list_conversations
from conversations.tests.rest import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.services]

ROWS = 4000


@pytest.fixture
def folder(mina: User, juno: User) -> Folder:
    """A folder of mina's, among so many conversations that no plan may read them all."""
    folder = Folder.objects.create(owner=mina, name="Work")
    Conversation.objects.bulk_create(
        Conversation(
            owner=mina if n % 4 else juno,
            updated_at=NOON,  # all of the same moment, as those of an import may be
            deleted_at=NOON if n % 5 == 1 else None,
            is_archived=n % 3 == 0,
            is_pinned=n % 50 == 2,
            folder=folder if n % 7 == 3 else None,
        )
        for n in range(ROWS)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE conversations_conversation")
    return folder


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "conversation_of_owner"),
        ({"archived": True}, "conversation_of_owner"),
        ({"q": "trip"}, "conversation_of_owner"),
        ({"pinned": False}, "conversation_of_owner"),
        ({"pinned": True}, "conversation_pinned"),
        ({"folder_id": True}, "conversation_in_folder"),
        ({"folder_id": True, "archived": True}, "conversation_in_folder"),
        ({"deleted": True}, "conversation_deleted"),
    ],
    ids=str,
)
def test_page_is_one_range_of_one_index(
    mina: User, folder: Folder, filters: dict[str, Any], index: str
) -> None:
    if "folder_id" in filters:
        filters = {**filters, "folder_id": folder.id}
    first, has_more = list_conversations(user_id=mina.id, limit=5, **{**filters, "q": ""})
    assert has_more

    plan = plan_of_page(user_id=mina.id, limit=5, after=first[-1].id, **filters)

    assert re.findall(r"Index (?:Only )?Scan (?:Backward )?using (\w+)", plan) == [index]
    assert "Sort" not in plan
    (condition,) = re.findall(r"Index Cond: (.*)", plan)
    assert "< ROW(" in condition


def plan_of_page(*, user_id: uuid.UUID, **page: Any) -> str:
    statements: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        list_conversations(user_id=user_id, **page)
    sql, params = statements[-1]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", params)
        return "\n".join(line for (line,) in cursor)
