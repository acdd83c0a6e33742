"""Asking for an answer to be stopped: by its owner, and where it is found."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, Message
from conversations.replies import (
    CancelRequest,
    close_replies,
    find_cancel_requests,
    request_cancels,
)
from conversations.tests.turn_items import outcome

pytestmark = pytest.mark.django_db

Start = Callable[..., Message]


def cancel(answer: Message, owner_id: uuid.UUID) -> str | None:
    (status,) = request_cancels([CancelRequest(owner_id, answer.conversation_id, answer.id)])
    return status


def test_owner_can_ask_to_stop_a_running_answer(start_answer: Start, mina: User) -> None:
    answer, other = start_answer(), start_answer()

    assert cancel(answer, mina.id) == "streaming"

    answer.refresh_from_db()
    assert answer.cancel_requested_at is not None
    assert find_cancel_requests([frozenset({answer.id, other.id}), frozenset({other.id})]) == [
        {answer.id},
        set(),
    ]


def test_second_wish_to_stop_keeps_the_first(start_answer: Start, mina: User) -> None:
    answer = start_answer()
    cancel(answer, mina.id)
    answer.refresh_from_db()
    first = answer.cancel_requested_at

    assert cancel(answer, mina.id) == "streaming"

    answer.refresh_from_db()
    assert answer.cancel_requested_at == first


def test_wish_to_stop_a_finished_answer_only_tells_its_status(start_answer: Start, mina: User) -> None:
    answer = start_answer()
    close_replies([outcome(answer)])

    assert cancel(answer, mina.id) == "complete"

    answer.refresh_from_db()
    assert answer.cancel_requested_at is None


def test_nobody_else_can_stop_an_answer(start_answer: Start) -> None:
    answer = start_answer()
    stranger = User.objects.create(username="juno")

    assert cancel(answer, stranger.id) is None

    answer.refresh_from_db()
    assert answer.cancel_requested_at is None


def test_answer_is_not_found_through_another_conversation(start_answer: Start, mina: User) -> None:
    answer, other = start_answer(), start_answer()

    results = request_cancels(
        [
            CancelRequest(mina.id, other.conversation_id, answer.id),
            CancelRequest(mina.id, answer.conversation_id, uuid.uuid4()),
        ]
    )

    assert results == [None, None]


def test_question_cannot_be_stopped(mina: User) -> None:
    conversation = Conversation.objects.create(owner=mina)
    question = Message.objects.create(conversation=conversation, owner=mina, role="user", content="?")

    assert cancel(question, mina.id) is None


def test_answer_in_a_deleted_conversation_is_not_found(start_answer: Start, mina: User) -> None:
    answer = start_answer()
    Conversation.objects.filter(pk=answer.conversation_id).update(deleted_at=timezone.now())

    assert cancel(answer, mina.id) is None
