"""A conversation's messages, page by page from the newest."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from conversations import selectors
from conversations.models import Conversation, Message
from conversations.tests.rest import add, error_of

pytestmark = pytest.mark.django_db


def talk(owner: User, *texts: str) -> Conversation:
    """A conversation of one branch with these contents."""
    conversation = add(owner)
    parent = None
    for text in texts:
        parent = Message.objects.create(
            conversation=conversation, owner=owner, role="user", content=text, parent=parent
        )
    conversation.head = parent
    conversation.save()
    return conversation


def read(api: Client, conversation: Conversation, **query: str | int) -> dict[str, Any]:
    response = api.get(f"/api/conversations/{conversation.id}", query)
    assert response.status_code == 200, response.content
    content: dict[str, Any] = response.json()
    return content


def contents(page: dict[str, Any]) -> list[str]:
    return [message["content"] for message in page["messages"]]


def test_first_page_is_the_newest_messages_in_reading_order(api: Client, mina: User) -> None:
    conversation = talk(mina, *(str(n) for n in range(120)))

    page = read(api, conversation)

    assert contents(page) == [str(n) for n in range(20, 120)]
    assert page["has_more"] is True
    assert (page["first_id"], page["last_id"]) == (page["messages"][0]["id"], page["messages"][-1]["id"])


def test_pages_before_lead_to_the_first_message_without_gaps(api: Client, mina: User) -> None:
    conversation = talk(mina, *"abcdefg")
    pages = [read(api, conversation, limit=3)]

    while pages[-1]["has_more"]:
        pages.append(read(api, conversation, limit=3, before=pages[-1]["first_id"]))

    assert [contents(page) for page in pages] == [["e", "f", "g"], ["b", "c", "d"], ["a"]]
    assert contents(read(api, conversation, before=pages[-1]["first_id"])) == []


def test_short_conversation_is_one_page(api: Client, mina: User) -> None:
    page = read(api, talk(mina, "a", "b"))

    assert (contents(page), page["has_more"]) == (["a", "b"], False)


def test_page_is_bounded_in_bytes_and_a_long_message_is_a_page_of_its_own(
    api: Client, mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "PAGE_BYTES", 8)
    conversation = talk(mina, "aaaa", "x" * 20, "bbbb", "cccc")
    pages = [read(api, conversation)]

    while pages[-1]["has_more"]:
        pages.append(read(api, conversation, before=pages[-1]["first_id"]))

    assert [contents(page) for page in pages] == [["bbbb", "cccc"], ["x" * 20], ["aaaa"]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"before": "x"}, "before"),
        ({"after": "x"}, "after"),
    ],
)
def test_bad_page_is_refused(api: Client, mina: User, query: dict[str, Any], field: str) -> None:
    response = api.get(f"/api/conversations/{talk(mina, 'a').id}", query)

    assert error_of(response) == (400, "invalid_request", field)


def test_cursor_of_another_conversation_is_refused(api: Client, mina: User) -> None:
    elsewhere = talk(mina, "b").head_id

    for cursor in (elsewhere, uuid.uuid4()):
        response = api.get(f"/api/conversations/{talk(mina, 'a').id}", {"before": str(cursor)})
        assert error_of(response) == (400, "invalid_request", "before")


def test_long_conversation_takes_as_many_queries_as_a_short_one(api: Client, mina: User) -> None:
    counts = []
    for conversation in (talk(mina, "a", "b"), talk(mina, *(str(n) for n in range(150)))):
        with CaptureQueriesContext(connection) as queries:
            read(api, conversation)
        counts.append(len(queries))

    assert counts[0] == counts[1]
