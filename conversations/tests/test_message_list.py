"""The list of messages, and what stands beside each of them."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from conversations import selectors
from conversations.models import Conversation, Feedback, Message
from conversations.tests.rest import add, error_of
from conversations.tests.trees import chain, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(mina: User) -> Conversation:
    return add(mina)


def read(api: Client, conversation: Conversation, **query: str | int) -> dict[str, Any]:
    response = api.get(f"/api/conversations/{conversation.pk}/messages", query)
    assert response.status_code == 200, response.content
    content: dict[str, Any] = response.json()
    return content


def contents(page: dict[str, Any]) -> list[str]:
    return [message["content"] for message in page["data"]]


def test_active_branch_is_listed_as_the_detail_pages_it(api: Client, mina: User) -> None:
    conversation, rows = chain(mina, 7)

    page = read(api, conversation, limit=3)
    earlier = read(api, conversation, limit=3, before=page["first_id"])

    assert (contents(page), page["has_more"]) == (["4", "5", "6"], True)
    assert (page["object"], page["last_id"]) == ("list", str(rows[-1].pk))
    assert contents(earlier) == ["1", "2", "3"]


def test_whole_tree_is_listed_once_with_parents(api: Client, conversation: Conversation) -> None:
    first = say(conversation, None, "user", "a")
    say(conversation, first, "assistant", "b")
    say(conversation, None, "user", "c")
    last = say(conversation, first, "assistant", "d")
    say(add(last.owner), None, "user", "elsewhere")

    pages = [read(api, conversation, branch="all", limit=3)]
    while pages[-1]["has_more"]:
        pages.append(read(api, conversation, branch="all", limit=3, before=pages[-1]["first_id"]))

    assert [contents(page) for page in pages] == [["b", "c", "d"], ["a"]]
    assert pages[0]["data"][2]["parent_id"] == str(first.pk)


def test_page_of_the_whole_tree_is_bounded_in_bytes(
    api: Client, mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "PAGE_BYTES", 8)
    conversation = add(mina)
    for text in ("aaaa", "x" * 20, "bbbb", "cccc"):
        say(conversation, None, "user", text)

    pages = [read(api, conversation, branch="all")]
    while pages[-1]["has_more"]:
        pages.append(read(api, conversation, branch="all", before=pages[-1]["first_id"]))

    assert [contents(page) for page in pages] == [["bbbb", "cccc"], ["x" * 20], ["aaaa"]]


@pytest.mark.parametrize(("query", "param"), [({"branch": "some"}, "branch"), ({"limit": 101}, "limit")])
def test_bad_query_is_refused(
    api: Client, conversation: Conversation, query: dict[str, Any], param: str
) -> None:
    response = api.get(f"/api/conversations/{conversation.pk}/messages", query)

    assert error_of(response) == (400, "invalid_request", param)


def test_messages_say_where_they_stand_among_their_siblings(api: Client, conversation: Conversation) -> None:
    question = say(conversation, None, "user", "?")
    first, second, third = (say(conversation, question, "assistant", text) for text in "123")
    edited = say(conversation, None, "user", "??")
    say(add(question.owner), None, "user", "in another conversation")
    Conversation.objects.filter(pk=conversation.pk).update(head=second)

    shown = api.get(f"/api/conversations/{conversation.pk}").json()["messages"]

    assert [message["siblings"] for message in shown] == [
        {"count": 2, "position": 1, "previous_id": None, "next_id": str(edited.pk)},
        {"count": 3, "position": 2, "previous_id": str(first.pk), "next_id": str(third.pk)},
    ]


def test_messages_tell_feedback_refusals_parts_and_what_was_left_out(
    api: Client, conversation: Conversation, mina: User
) -> None:
    parts = [{"type": "text", "length": 1}]
    question = say(conversation, None, "user", "?", parts=parts)
    tool = say(conversation, question, "tool", "42", tool_call_id="call-1")
    answer = say(conversation, tool, "assistant", "I cannot.", finish_reason="refusal", omitted_messages=3)
    Feedback.objects.create(message=answer, owner=mina, rating=-1, reason="wrong", comment="No, it can.")

    asked, called, answered = read(api, conversation)["data"]

    assert asked["parts"] == [{"type": "text", "text": "?"}]
    assert (asked["refusal"], asked["feedback"]) == (None, None)
    assert (called["tool_call_id"], called["parts"]) == ("call-1", None)
    assert (answered["refusal"], answered["omitted_messages"]) == ("I cannot.", 3)
    given = answered["feedback"]
    assert (given["rating"], given["reason"], given["comment"]) == ("down", "wrong", "No, it can.")


@pytest.mark.parametrize("branch", ["active", "all"])
def test_list_takes_as_many_queries_for_many_messages_with_siblings(
    api: Client, mina: User, branch: str
) -> None:
    counts = []
    for length in (2, 60):
        conversation, rows = chain(mina, length)
        for row in rows:
            Message.objects.create(
                conversation=conversation, owner=mina, parent_id=row.parent_id, role=row.role
            )
        Feedback.objects.bulk_create(Feedback(message=row, owner=mina, rating=1) for row in rows)
        with CaptureQueriesContext(connection) as queries:
            read(api, conversation, branch=branch)
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 5
