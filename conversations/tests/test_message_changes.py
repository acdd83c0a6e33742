"""Edits, deleted branches, and the branch that is active."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from chat.message_schemas import MAX_TEXT
from conversations import tree_changes
from conversations.models import MAX_CONTENT, Conversation, Feedback, Message, SharedLink
from conversations.new_turns import NewMessage, NewTurn
from conversations.tests.rest import add, error_of
from conversations.tests.trees import chain, path_to, say, start_streaming
from conversations.turns import begin_turns
from gateway.conf import get_config
from gateway.errors import ConversationBusy

pytestmark = pytest.mark.django_db

PARTS: list[dict[str, Any]] = [
    {"type": "text", "length": 4},
    {"type": "image", "file_id": "0193f3c2-0000-7000-8000-000000000001"},
    {"type": "text", "length": 3},
]


@pytest.fixture
def conversation(mina: User) -> Conversation:
    return add(mina, title="Trees")


def edit(api: Client, message: Message, **body: Any) -> Any:
    return api.patch(path_to(message), body, content_type="application/json")


def activate(api: Client, message: Message, **body: Any) -> Any:
    return api.post(f"{path_to(message)}/activate", body, content_type="application/json")


def shown(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [message["content"] for message in answer.json()["messages"]]


def test_edit_stands_beside_the_message_and_ends_the_active_branch(
    api: Client, conversation: Conversation
) -> None:
    question = say(conversation, None, "user", "Wat is a tree?", request_id="r-1", client_message_id="c-1")
    answer = say(conversation, question, "assistant", "A graph.")
    before = Message.objects.filter(pk=question.pk).values().get()

    response = edit(api, question, content="What is a tree?", version=1)

    edited = response.json()
    conversation.refresh_from_db()
    assert response.status_code == 201
    assert (edited["role"], edited["content"], edited["parent_id"]) == ("user", "What is a tree?", None)
    assert (edited["status"], edited["feedback"], edited["request_id"]) == ("complete", None, "")
    assert edited["siblings"] == {
        "count": 2,
        "position": 2,
        "previous_id": str(question.pk),
        "next_id": None,
    }
    assert (str(conversation.head_id), conversation.version) == (edited["id"], 2)
    assert Message.objects.filter(pk=question.pk).values().get() == before
    assert Message.objects.filter(pk=answer.pk).exists()


def test_edited_question_keeps_its_files_around_one_text(api: Client, conversation: Conversation) -> None:
    question = say(conversation, None, "user", "What\n\nis?", parts=PARTS)

    edited = edit(api, question, content="What is this? 가").json()

    text, image = edited["parts"]
    assert text == {"type": "text", "text": "What is this? 가"}
    assert (image["type"], image["file_id"]) == ("image", PARTS[1]["file_id"])
    assert edited["content"] == "What is this? 가"


def test_answer_that_a_person_wrote_names_no_model(api: Client, conversation: Conversation) -> None:
    question = say(conversation, None, "user", "?")
    answer = say(
        *(conversation, question, "assistant", "No."),
        model="tiny",
        reasoning="Hm.",
        tool_calls=[{"id": "call"}],
        completion_tokens=3,
    )

    edited = edit(api, answer, content="Yes.").json()

    assert (edited["model"], edited["reasoning"], edited["tool_calls"]) == ("", "", None)
    assert (edited["usage"], edited["parent_id"]) == (None, str(question.pk))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "content"),
        ({"content": ""}, "content"),
        ({"content": "x" * (MAX_CONTENT + 1)}, "content"),
        ({"content": "x", "role": "system"}, "role"),
        ({"content": "x", "version": 0}, "version"),
    ],
)
def test_bad_edit_is_refused_by_its_field(
    api: Client, conversation: Conversation, body: dict[str, Any], param: str
) -> None:
    question = say(conversation, None, "user", "?")

    assert error_of(edit(api, question, **body)) == (400, "invalid_request", param)
    assert Message.objects.count() == 1


def test_edits_may_be_as_long_as_messages_of_the_chat() -> None:
    assert MAX_CONTENT == MAX_TEXT


@pytest.mark.parametrize("role", ["system", "tool"])
def test_what_nobody_said_is_not_edited(api: Client, conversation: Conversation, role: str) -> None:
    message = say(conversation, None, role, "x")

    assert error_of(edit(api, message, content="y")) == (400, "invalid_request", "message_id")


def test_nothing_is_edited_while_an_answer_streams(api: Client, conversation: Conversation) -> None:
    question = say(conversation, None, "user", "?")
    start_streaming(conversation, question)

    assert error_of(edit(api, question, content="!")) == (409, "conversation_busy", None)


def test_change_of_another_version_is_refused_with_the_one_it_is_in(
    api: Client, conversation: Conversation
) -> None:
    question = say(conversation, None, "user", "?")
    Conversation.objects.update(version=7)

    for response in (edit(api, question, content="!", version=6), activate(api, question, version=8)):
        assert error_of(response) == (409, "version_conflict", None)
        assert response.json()["version"] == 7
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("bound", "code"),
    [("max_conversation_bytes", "conversation_full"), ("max_account_bytes", "storage_full")],
)
def test_edit_counts_towards_what_may_be_stored(
    api: Client, conversation: Conversation, monkeypatch: pytest.MonkeyPatch, bound: str, code: str
) -> None:
    question = say(conversation, None, "user", "x" * 1000)
    bounds: dict[str, Any] = {bound: 5000}
    config = replace(get_config(), **bounds)
    monkeypatch.setattr(tree_changes, "get_config", lambda: config)

    assert edit(api, question, content="x").status_code == 201
    assert error_of(edit(api, question, content="가" * 500))[:2] == (409, code)


def test_branch_is_deleted_with_what_belongs_to_it_and_nothing_else(
    api: Client, conversation: Conversation, mina: User
) -> None:
    question = say(conversation, None, "user", "?")
    kept = say(conversation, question, "assistant", "kept")
    kept_end = say(conversation, kept, "user", "kept too")
    gone = say(conversation, question, "assistant", "gone")
    end = say(conversation, gone, "user", "gone too")
    Feedback.objects.create(message=gone, owner=mina, rating=1)
    SharedLink.objects.create(conversation=conversation, owner=mina, head=end)

    response = api.delete(path_to(gone))

    conversation.refresh_from_db()
    assert response.status_code == 204
    assert set(Message.objects.values_list("content", flat=True)) == {"?", "kept", "kept too"}
    assert (Feedback.objects.count(), SharedLink.objects.count()) == (0, 0)
    assert (conversation.head_id, conversation.version) == (kept_end.pk, 2)


def test_branch_ends_in_the_parent_where_nothing_else_follows_it(
    api: Client, conversation: Conversation
) -> None:
    question = say(conversation, None, "user", "?")
    answer = say(conversation, question, "assistant", "!")

    api.delete(path_to(answer))
    conversation.refresh_from_db()
    assert conversation.head_id == question.pk

    api.delete(path_to(question))
    assert Conversation.objects.filter(head=None).exists()
    assert not Message.objects.exists()
    assert shown(api.get(f"/api/conversations/{conversation.pk}")) == []


def test_deleting_another_branch_leaves_the_active_one(api: Client, conversation: Conversation) -> None:
    question = say(conversation, None, "user", "?")
    other = say(conversation, question, "assistant", "other")
    head = say(conversation, question, "assistant", "active")

    api.delete(path_to(other))

    conversation.refresh_from_db()
    assert conversation.head_id == head.pk


def test_branch_with_a_running_answer_stays_and_others_go(api: Client, conversation: Conversation) -> None:
    question = say(conversation, None, "user", "?")
    other = say(conversation, question, "assistant", "other")
    running = start_streaming(conversation, question)

    assert error_of(api.delete(path_to(question))) == (409, "conversation_busy", None)
    assert api.delete(path_to(other)).status_code == 204
    assert set(Message.objects.values_list("pk", flat=True)) == {question.pk, running.pk}


def test_chosen_branch_is_read_to_its_newest_leaf(api: Client, conversation: Conversation) -> None:
    question = say(conversation, None, "user", "?")
    first = say(conversation, question, "assistant", "first")
    say(conversation, first, "user", "older edit")
    newer = say(conversation, first, "user", "newer edit")
    leaf = say(conversation, newer, "assistant", "leaf")
    say(conversation, question, "assistant", "second")

    response = activate(api, first)

    conversation.refresh_from_db()
    assert shown(response) == ["?", "first", "newer edit", "leaf"]
    assert (conversation.head_id, conversation.version, response.json()["version"]) == (leaf.pk, 2, 2)


def test_choosing_the_active_branch_changes_nothing(api: Client, conversation: Conversation) -> None:
    question = say(conversation, None, "user", "?")

    assert shown(activate(api, question)) == ["?"]
    conversation.refresh_from_db()
    assert conversation.version == 1


def test_changes_take_as_many_statements_for_thousands_of_messages(api: Client, mina: User) -> None:
    counts = []
    for length in (10, 4000):
        conversation, rows = chain(mina, length)
        other = say(conversation, rows[1], "user", "beside")
        queries_of = []
        for call in (
            lambda rows=rows: activate(api, rows[2]).status_code == 200,
            lambda other=other: edit(api, other, content="!").status_code == 201,
            lambda rows=rows: api.delete(path_to(rows[1])).status_code == 204,
        ):
            with CaptureQueriesContext(connection) as queries:
                assert call()
            queries_of.append(len(queries))
        assert Message.objects.filter(conversation=conversation).count() == 1
        counts.append(queries_of)

    assert counts[0] == counts[1]


def test_turn_begun_on_a_deleted_message_is_refused(
    api: Client, conversation: Conversation, mina: User
) -> None:
    question = say(conversation, None, "user", "?")
    answer = say(conversation, question, "assistant", "!")
    turn = NewTurn(
        owner_id=mina.pk,
        messages=(NewMessage("user", "And?"),),  # type: ignore[arg-type]
        model="tiny",
        conversation_id=conversation.pk,
        parent_id=answer.pk,
    )

    api.delete(path_to(answer))
    (result,) = begin_turns([turn])

    assert getattr(result, "code", "") == "not_found"
    assert Message.objects.count() == 1


def test_turn_that_starts_first_keeps_an_edit_out(
    api: Client, conversation: Conversation, mina: User
) -> None:
    question = say(conversation, None, "user", "?")
    turn = NewTurn(
        owner_id=mina.pk,
        messages=(NewMessage("user", "And?"),),  # type: ignore[arg-type]
        model="tiny",
        conversation_id=conversation.pk,
    )

    begin_turns([turn])

    assert error_of(edit(api, question, content="!"))[:2] == (409, ConversationBusy.code)
