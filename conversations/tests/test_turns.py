"""Beginning a turn: what is put on record before the first token."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, Message, MessageRole, MessageStatus
from conversations.new_turns import NewMessage, make_title
from conversations.tests.turn_items import begin, close, stored, turn_of, user_says
from gateway.errors import ConversationBusy, NotFound

pytestmark = pytest.mark.django_db


def test_new_conversation_is_on_record_before_its_answer(mina: User) -> None:
    turn = begin(turn_of(mina, "What is a GPU?", request_id="req-1", lease_s=30))

    conversation = Conversation.objects.get(pk=turn.conversation_id)
    answer = Message.objects.get(pk=turn.message_id)
    assert stored(turn) == [("user", "complete", "What is a GPU?"), ("assistant", "streaming", "")]
    assert (conversation.owner, conversation.title, conversation.model) == (mina, "What is a GPU?", "tiny")
    assert conversation.head_id == answer.id
    assert (answer.request_id, answer.model, answer.owner) == ("req-1", "tiny", mina)
    assert answer.lease_expires_at is not None
    assert timedelta(seconds=20) < answer.lease_expires_at - timezone.now() <= timedelta(seconds=30)
    assert turn.prompt == [{"role": "user", "content": "What is a GPU?"}]
    assert turn.replay is None


def test_several_messages_start_a_conversation_as_one_branch(mina: User) -> None:
    messages = (
        NewMessage(MessageRole.USER, "2+2?"),
        NewMessage(MessageRole.ASSISTANT, "4"),
        NewMessage(MessageRole.USER, "And 3+3?"),
    )

    turn = begin(turn_of(mina, messages=messages, system_prompt="Be brief."))

    rows = list(Message.objects.filter(conversation_id=turn.conversation_id).order_by("id"))
    assert [row.parent_id for row in rows] == [None, *(row.id for row in rows[:-1])]
    assert [m["role"] for m in turn.prompt] == ["system", "user", "assistant", "user"]
    assert Conversation.objects.get(pk=turn.conversation_id).system_prompt == "Be brief."


def test_next_turn_continues_the_branch_with_its_context(mina: User) -> None:
    first = begin(turn_of(mina, "My name is Mina.", system_prompt="Be kind."))
    close(first, "Hello Mina.")

    second = begin(
        turn_of(
            mina,
            "What is my name?",
            conversation_id=first.conversation_id,
            model="big",
            system_prompt="Be rude.",
        )
    )

    assert second.prompt == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "My name is Mina."},
        {"role": "assistant", "content": "Hello Mina."},
        {"role": "user", "content": "What is my name?"},
    ]
    conversation = Conversation.objects.get(pk=first.conversation_id)
    assert (conversation.head_id, conversation.model) == (second.message_id, "big")


def test_turn_touches_version_and_date_of_its_conversation(mina: User) -> None:
    first = begin(turn_of(mina))
    close(first)
    before = Conversation.objects.get(pk=first.conversation_id)

    begin(turn_of(mina, conversation_id=first.conversation_id))

    after = Conversation.objects.get(pk=first.conversation_id)
    assert after.version == before.version + 1
    assert after.updated_at > before.updated_at
    assert (after.title, after.created_at) == (before.title, before.created_at)


def test_turn_from_an_earlier_message_makes_a_branch(mina: User) -> None:
    first = begin(turn_of(mina, "Tell me a joke."))
    close(first, "Knock knock.")
    second = begin(turn_of(mina, "Who is there?", conversation_id=first.conversation_id))
    close(second, "Tank.")

    branch = begin(
        turn_of(mina, "Another one.", conversation_id=first.conversation_id, parent_id=first.message_id)
    )

    assert [m["content"] for m in branch.prompt] == ["Tell me a joke.", "Knock knock.", "Another one."]
    assert Conversation.objects.get(pk=first.conversation_id).head_id == branch.message_id
    assert Message.objects.filter(pk=second.message_id, content="Tank.").exists()


def test_answers_that_said_nothing_are_left_out_and_questions_joined(mina: User) -> None:
    first = begin(turn_of(mina, "Hello?"))
    close(first, "", MessageStatus.ERROR)

    second = begin(turn_of(mina, "Are you there?", conversation_id=first.conversation_id))

    assert second.prompt == [{"role": "user", "content": "Hello?\n\nAre you there?"}]


def test_cancelled_answer_stays_in_the_context_as_far_as_it_came(mina: User) -> None:
    first = begin(turn_of(mina, "Count."))
    close(first, "1 2 3", MessageStatus.CANCELLED)

    second = begin(turn_of(mina, "Go on.", conversation_id=first.conversation_id))

    assert [m["content"] for m in second.prompt] == ["Count.", "1 2 3", "Go on."]


def test_conversation_with_a_running_answer_is_busy(mina: User) -> None:
    first = begin(turn_of(mina))

    with pytest.raises(ConversationBusy):
        begin(turn_of(mina, conversation_id=first.conversation_id))

    assert len(stored(first)) == 2


def test_other_peoples_conversations_look_missing(mina: User, juno: User) -> None:
    turn = begin(turn_of(mina))
    close(turn)
    deleted = Conversation.objects.create(owner=juno, deleted_at=timezone.now())

    for conversation_id in (turn.conversation_id, uuid.uuid4(), deleted.id):
        with pytest.raises(NotFound) as caught:
            begin(turn_of(juno, conversation_id=conversation_id))
        assert (caught.value.message, caught.value.param) == (
            "There is no such conversation.",
            "conversation_id",
        )

    assert len(stored(turn)) == 2


def test_parent_of_another_conversation_looks_missing(mina: User) -> None:
    first, second = begin(turn_of(mina)), begin(turn_of(mina))
    close(first)
    close(second)

    for conversation_id, parent_id in (
        (first.conversation_id, second.message_id),
        (first.conversation_id, uuid.uuid4()),
        (None, second.message_id),
    ):
        with pytest.raises(NotFound) as caught:
            begin(turn_of(mina, conversation_id=conversation_id, parent_id=parent_id))
        assert caught.value.param == "parent_id"

    assert Conversation.objects.count() == 2


@pytest.mark.parametrize(
    ("texts", "title"),
    [
        (["Short"], "Short"),
        (["  two\n lines  "], "two lines"),
        (["word " * 20], "word word word word word word word word word word word word…"),
        (["x" * 80], "x" * 60 + "…"),
        ([], ""),
    ],
)
def test_title_is_the_first_question_cut_at_a_word(texts: list[str], title: str) -> None:
    messages = [NewMessage(MessageRole.ASSISTANT, "Hi!"), *(m for text in texts for m in user_says(text))]

    assert make_title(messages) == title
