"""Beginning a turn: what is put on record before the first token, alone, in batches and in races."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, Message, MessageRole, MessageStatus
from conversations.replies import ReplyOutcome, close_replies
from conversations.turns import NewMessage, NewTurn, Turn, begin_turns, make_title
from gateway.errors import ConversationBusy, IdempotencyInProgress, NotFound

pytestmark = pytest.mark.django_db

DEADLINE_S = 30.0


@pytest.fixture
def mina() -> User:
    return User.objects.create(username="mina")


@pytest.fixture
def juno() -> User:
    return User.objects.create(username="juno")


def user_says(text: str) -> tuple[NewMessage, ...]:
    return (NewMessage(MessageRole.USER, text),)


def turn_of(owner: User, text: str = "Hello", **more: Any) -> NewTurn:
    defaults: dict[str, Any] = {"owner_id": owner.id, "messages": user_says(text), "model": "tiny"}
    return NewTurn(**defaults | more)


def begin(item: NewTurn) -> Turn:
    """The turn that `item` becomes, begun on its own. Raises what it met."""
    (result,) = begin_turns([item])
    if isinstance(result, Exception):
        raise result
    return result


def close(turn: Turn, content: str = "Hi!", status: MessageStatus = MessageStatus.COMPLETE) -> None:
    close_replies([ReplyOutcome(message_id=turn.message_id, status=status, content=content)])


def stored(turn: Turn) -> list[tuple[str, str, str]]:
    """The conversation's messages in the order of their making: role, status, content."""
    rows = Message.objects.filter(conversation_id=turn.conversation_id).order_by("id")
    return [(row.role, row.status, row.content) for row in rows]


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

    with pytest.raises(IdempotencyInProgress):
        begin(turn_of(mina, client_message_id="c-1"))
    with pytest.raises(IdempotencyInProgress):
        begin(turn_of(mina, client_message_id="c-1", conversation_id=first.conversation_id))

    assert len(stored(first)) == 2


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


def test_batch_answers_every_item_and_one_failure_fails_alone(mina: User, juno: User) -> None:
    open_turn, done_turn = begin(turn_of(mina)), begin(turn_of(mina))
    close(done_turn)

    results = begin_turns(
        [
            turn_of(mina, "new"),
            turn_of(juno, "stolen", conversation_id=done_turn.conversation_id),
            turn_of(mina, "next", conversation_id=done_turn.conversation_id),
            turn_of(mina, "busy", conversation_id=open_turn.conversation_id),
            turn_of(juno, "other"),
        ]
    )

    assert [type(result) for result in results] == [Turn, NotFound, Turn, ConversationBusy, Turn]
    contents = Message.objects.filter(role="user").order_by("id").values_list("content", flat=True)
    assert list(contents) == ["Hello", "Hello", "new", "next", "other"]


def test_of_two_turns_for_one_conversation_in_one_batch_the_first_wins(mina: User) -> None:
    done = begin(turn_of(mina))
    close(done)

    results = begin_turns(
        [turn_of(mina, text, conversation_id=done.conversation_id) for text in ("first", "second")]
    )

    assert [type(result) for result in results] == [Turn, ConversationBusy]
    assert [content for _role, _status, content in stored(done)] == ["Hello", "Hi!", "first", ""]


def test_repeat_within_one_batch_is_recognised(mina: User) -> None:
    results = begin_turns([turn_of(mina, client_message_id="c-1") for _ in range(2)])

    assert [type(result) for result in results] == [Turn, IdempotencyInProgress]
    assert Conversation.objects.count() == 1


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "continued"])
def test_batch_of_twenty_takes_as_many_queries_as_one_of_two(mina: User, is_new: bool) -> None:
    def items(count: int) -> list[NewTurn]:
        if is_new:
            return [turn_of(mina, client_message_id=f"{count}-{n}") for n in range(count)]
        done = begin_turns([turn_of(mina) for _ in range(count)])
        for turn in done:
            assert isinstance(turn, Turn)
            close(turn)
        return [turn_of(mina, conversation_id=t.conversation_id) for t in done if isinstance(t, Turn)]

    counts = []
    for size in (2, 20):
        batch = items(size)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            results = begin_turns(batch)
        assert {type(result) for result in results} == {Turn}
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 8


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


def race(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls answer or raise when they start at the same moment, each on a thread of its own."""
    barrier = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(index: int) -> None:
        try:
            barrier.wait(DEADLINE_S)
            results[index] = calls[index]()
        except Exception as exc:  # the test looks at it
            results[index] = exc
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    return results


@pytest.mark.django_db(transaction=True)
def test_of_two_turns_racing_for_one_conversation_one_wins() -> None:
    mina = User.objects.create(username="mina")
    turn = begin(turn_of(mina))
    close(turn)

    for round_number in range(5):
        item = turn_of(mina, f"round {round_number}", conversation_id=turn.conversation_id)
        results = race(*[lambda item=item: begin_turns([item])[0]] * 2)

        assert sorted(type(r).__name__ for r in results) == ["ConversationBusy", "Turn"]
        close(next(r for r in results if isinstance(r, Turn)))

    assert len(stored(turn)) == 12


@pytest.mark.django_db(transaction=True)
def test_of_two_racing_repeats_of_a_new_message_one_wins() -> None:
    mina = User.objects.create(username="mina")

    for round_number in range(5):
        item = turn_of(mina, client_message_id=f"c-{round_number}")
        results = race(*[lambda item=item: begin_turns([item])[0]] * 2)

        assert sorted(type(r).__name__ for r in results) == ["IdempotencyInProgress", "Turn"]

    assert Conversation.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_racing_batches_over_the_same_conversations_do_not_deadlock() -> None:
    mina = User.objects.create(username="mina")
    done = [begin(turn_of(mina)) for _ in range(6)]
    for turn in done:
        close(turn)
    items = [turn_of(mina, conversation_id=turn.conversation_id) for turn in done]

    left, right = race(lambda: begin_turns(items), lambda: begin_turns(items[::-1]))

    for one, other in zip(left, right[::-1], strict=True):
        assert {type(one), type(other)} == {Turn, ConversationBusy}
