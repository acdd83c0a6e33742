"""Finding answers for clients that come back: their own ones, many at a time."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, Message
from conversations.stored_answers import AnswerQuery, find_answer_states, find_stored_answers

pytestmark = pytest.mark.django_db

Start = Callable[..., Message]


def query(answer: Message, owner_id: uuid.UUID) -> AnswerQuery:
    return AnswerQuery(owner_id, answer.conversation_id, answer.id)


def test_answers_are_found_in_two_queries_however_many(start_answer: Start, mina: User) -> None:
    answers = [start_answer(content=text) for text in ("하나", "둘", "셋")]

    with CaptureQueriesContext(connection) as queries:
        found = find_stored_answers([query(answer, mina.id) for answer in answers])

    assert [(one.content, one.is_streaming) for one in found if one] == [
        ("하나", True),
        ("둘", True),
        ("셋", True),
    ]
    assert len(queries) == 2


def test_nobody_finds_what_is_not_theirs_even_beside_its_owner(
    start_answer: Start, mina: User, juno: User
) -> None:
    answer, other = start_answer(), start_answer()
    asked = AnswerQuery(mina.id, other.conversation_id, answer.id)

    found = find_stored_answers([query(answer, mina.id), query(answer, juno.id), asked])

    assert [bool(one) for one in found] == [True, False, False]


def test_answer_of_a_deleted_conversation_is_not_found(start_answer: Start, mina: User) -> None:
    answer = start_answer()
    Conversation.objects.filter(pk=answer.conversation_id).update(deleted_at=timezone.now())

    assert find_stored_answers([query(answer, mina.id)]) == [None]


def test_state_tells_that_an_answer_grew_or_ended(start_answer: Start) -> None:
    answer, gone = start_answer(content="하나"), uuid.UUID(int=0)

    [running, nothing] = find_answer_states([answer.id, gone])
    Message.objects.filter(pk=answer.id).update(content="하나 둘")
    [grown] = find_answer_states([answer.id])
    Message.objects.filter(pk=answer.id).update(status="complete", lease_expires_at=None)
    [ended] = find_answer_states([answer.id])

    assert nothing is None
    assert running and grown and ended
    assert (running.is_streaming, grown.is_streaming, ended.is_streaming) == (True, True, False)
    assert running.size_bytes < grown.size_bytes == ended.size_bytes


def test_question_is_not_found(start_answer: Start, mina: User) -> None:
    answer = start_answer()
    question = Message.objects.create(
        conversation_id=answer.conversation_id, owner_id=mina.id, role="user", content="x"
    )

    assert find_stored_answers([query(question, mina.id)]) == [None]
