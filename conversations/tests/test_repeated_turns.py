"""A message that is sent again with its client_message_id: answered once, and tried again after an error."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, MessageStatus
from conversations.repeats import RepeatKey
from conversations.tests.turn_items import begin, close, stored, turn_of
from conversations.turns import find_answers
from gateway.errors import (
    ClientMessageIdReused,
    ConversationBusy,
    IdempotencyInProgress,
    NotFound,
    PermissionDenied,
)

pytestmark = pytest.mark.django_db


def test_repeat_of_an_answered_message_returns_the_first_answer(mina: User) -> None:
    first = begin(turn_of(mina, "Pay 5 €", client_message_id="c-1"))
    close(first, "Paid.")

    again = begin(turn_of(mina, "Pay 5 €", client_message_id="c-1"))

    assert (again.conversation_id, again.message_id) == (first.conversation_id, first.message_id)
    assert again.replay is not None
    assert (again.replay.content, again.replay.status) == ("Paid.", "complete")
    assert len(stored(first)) == 2


def test_repeat_of_a_cancelled_message_returns_what_there_is(mina: User) -> None:
    first = begin(turn_of(mina, client_message_id="c-1"))
    close(first, "Half", MessageStatus.CANCELLED)

    again = begin(turn_of(mina, client_message_id="c-1"))

    assert again.replay is not None
    assert again.replay.content == "Half"


def test_repeat_while_the_first_is_being_answered_is_refused(mina: User) -> None:
    first = begin(turn_of(mina, client_message_id="c-1"))

    with pytest.raises(IdempotencyInProgress) as refused:
        begin(turn_of(mina, client_message_id="c-1"))
    with pytest.raises(IdempotencyInProgress):
        begin(turn_of(mina, client_message_id="c-1", conversation_id=first.conversation_id))

    assert len(stored(first)) == 2
    assert refused.value.details == {
        "conversation_id": str(first.conversation_id),
        "message_id": str(first.message_id),
    }
    assert refused.value.headers["x-message-id"] == str(first.message_id)


def test_repeat_after_an_error_tries_again_without_asking_twice(mina: User) -> None:
    first = begin(turn_of(mina, "Try", client_message_id="c-1"))
    close(first, "", MessageStatus.ERROR)

    again = begin(turn_of(mina, "Try", client_message_id="c-1"))

    assert again.replay is None
    assert again.conversation_id == first.conversation_id
    assert again.message_id != first.message_id
    assert again.prompt == [{"role": "user", "content": "Try"}]
    assert stored(first) == [
        ("user", "complete", "Try"),
        ("assistant", "error", ""),
        ("assistant", "streaming", ""),
    ]


def test_repeat_after_a_repaired_error_returns_the_good_answer(mina: User) -> None:
    close(begin(turn_of(mina, client_message_id="c-1")), "", MessageStatus.ERROR)
    close(begin(turn_of(mina, client_message_id="c-1")), "Good.")

    again = begin(turn_of(mina, client_message_id="c-1"))

    assert again.replay is not None
    assert again.replay.content == "Good."


def test_repeat_after_an_error_waits_for_another_answer_of_the_conversation(mina: User) -> None:
    first = begin(turn_of(mina, client_message_id="c-1"))
    close(first, "", MessageStatus.ERROR)
    begin(turn_of(mina, conversation_id=first.conversation_id))

    with pytest.raises(ConversationBusy):
        begin(turn_of(mina, client_message_id="c-1"))


def test_repeat_into_a_deleted_conversation_is_not_found(mina: User) -> None:
    first = begin(turn_of(mina, client_message_id="c-1"))
    close(first)
    Conversation.objects.update(deleted_at=timezone.now())

    with pytest.raises(NotFound) as caught:
        begin(turn_of(mina, client_message_id="c-1"))

    assert caught.value.param == "client_message_id"


def test_same_client_message_id_of_two_users_are_two_messages(mina: User, juno: User) -> None:
    close(begin(turn_of(mina, client_message_id="c-1")), "For Mina.")

    turn = begin(turn_of(juno, client_message_id="c-1"))

    assert turn.replay is None
    assert Conversation.objects.get(pk=turn.conversation_id).owner == juno


@pytest.mark.parametrize("status", [MessageStatus.COMPLETE, MessageStatus.ERROR, MessageStatus.STREAMING])
def test_same_client_message_id_for_something_else_is_refused(mina: User, status: MessageStatus) -> None:
    first = begin(turn_of(mina, "Pay 5 €", client_message_id="c-1", request_digest="n1"))
    if status != MessageStatus.STREAMING:
        close(first, "Paid.", status)

    with pytest.raises(ClientMessageIdReused):
        begin(turn_of(mina, "Pay 9 €", client_message_id="c-1", request_digest="n2"))

    key = RepeatKey(owner_id=mina.id, client_message_id="c-1", request_digest="n2")
    assert [type(answer) for answer in find_answers([key])] == [ClientMessageIdReused]
    assert len(stored(first)) == 2


def test_repeat_names_the_conversation_that_it_started_or_the_one_it_went_on_with(mina: User) -> None:
    first = begin(turn_of(mina, client_message_id="c-1", request_digest="n1"))
    close(first)
    here = first.conversation_id
    close(begin(turn_of(mina, client_message_id="c-2", request_digest="c2", conversation_id=here)))
    other = begin(turn_of(mina))
    close(other)

    def ask(key: str, digest: str, conversation_id: object) -> str:
        item = turn_of(mina, client_message_id=key, request_digest=digest, conversation_id=conversation_id)
        try:
            return "replay" if begin(item).replay else "new"
        except ClientMessageIdReused:
            return "refused"

    assert ask("c-1", "n1", None) == "replay"
    assert ask("c-1", "c1", here) == "replay"
    assert ask("c-1", "c1", other.conversation_id) == "refused"
    assert ask("c-2", "c2", here) == "replay"
    assert ask("c-2", "n2", None) == "refused"


@pytest.mark.parametrize("status", [MessageStatus.COMPLETE, MessageStatus.ERROR, MessageStatus.STREAMING])
def test_repeat_by_a_credential_that_may_not_read_is_refused(mina: User, status: MessageStatus) -> None:
    first = begin(turn_of(mina, client_message_id="c-1"))
    if status != MessageStatus.STREAMING:
        close(first, "Secret", status)

    with pytest.raises(PermissionDenied):
        begin(turn_of(mina, client_message_id="c-1", may_read=False))

    key = RepeatKey(owner_id=mina.id, client_message_id="c-1", may_read=False)
    assert [type(answer) for answer in find_answers([key])] == [PermissionDenied]
