"""Turns that begin at the same time: in one batch, and in transactions that race."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from conversations import turn_batch
from conversations.models import Conversation, Message, MessageStatus
from conversations.new_turns import NewTurn, Turn
from conversations.tests.turn_items import begin, close, stored, turn_of
from conversations.turn_rows import TurnRows, write_turns
from conversations.turns import MOST_TRIES, begin_turns
from gateway.errors import ConversationBusy, IdempotencyInProgress, NotFound

pytestmark = pytest.mark.django_db

DEADLINE_S = 30.0


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


@pytest.mark.services
def test_turn_is_one_statement_to_write_and_reads_only_what_it_needs(mina: User) -> None:
    with CaptureQueriesContext(connection) as starting:
        turn = begin(turn_of(mina))
    with CaptureQueriesContext(connection) as closing:
        close(turn)
    with CaptureQueriesContext(connection) as going_on:
        begin(turn_of(mina, conversation_id=turn.conversation_id))

    assert (len(starting), len(closing)) == (1, 1)
    kinds = [query["sql"].split()[0] for query in going_on.captured_queries]
    assert kinds == ["SELECT", "WITH", "WITH"]  # the conversation, its branch; all that is written


class Meanwhile:
    """Something that happens once, after a batch has read a conversation and before it writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, change: Callable[[], Any], *, times: int = 1) -> None:
        def write(rows: TurnRows) -> set[uuid.UUID]:
            if self.left:
                self.left -= 1
                change()
            return write_turns(rows)

        self.left = times
        monkeypatch.setattr(turn_batch, "write_turns", write)


def go_on_elsewhere(turn: Turn) -> None:
    Conversation.objects.filter(pk=turn.conversation_id).update(version=F("version") + 1, title="elsewhere")


@pytest.mark.services
def test_turn_of_a_conversation_that_changed_meanwhile_begins_anew_from_what_it_is_by_then(
    mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = begin(turn_of(mina))
    close(done)
    Meanwhile(monkeypatch, lambda: go_on_elsewhere(done))

    stale, other = begin_turns([turn_of(mina, "next", conversation_id=done.conversation_id), turn_of(mina)])

    assert isinstance(stale, Turn)
    assert isinstance(other, Turn)
    assert [content for _role, _status, content in stored(done)] == ["Hello", "Hi!", "next", ""]
    conversation = Conversation.objects.get(pk=done.conversation_id)
    assert (conversation.version, conversation.title) == (3, "elsewhere")
    assert conversation.head_id == stale.message_id
    assert [m["content"] for m in stale.prompt] == ["Hello", "Hi!", "next"]


@pytest.mark.services
def test_turn_of_a_conversation_that_was_deleted_meanwhile_is_not_stored(
    mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = begin(turn_of(mina))
    close(done)
    here = Conversation.objects.filter(pk=done.conversation_id)
    Meanwhile(monkeypatch, lambda: here.update(deleted_at=timezone.now()))

    (result,) = begin_turns([turn_of(mina, "late", conversation_id=done.conversation_id)])

    assert isinstance(result, NotFound)
    assert len(stored(done)) == 2


@pytest.mark.services
def test_turn_of_a_conversation_that_changes_all_the_time_is_refused_as_busy(
    mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = begin(turn_of(mina))
    close(done)
    meanwhile = Meanwhile(monkeypatch, lambda: go_on_elsewhere(done), times=100)

    (result,) = begin_turns([turn_of(mina, "late", conversation_id=done.conversation_id)])

    assert isinstance(result, ConversationBusy)
    assert meanwhile.left == 100 - MOST_TRIES
    assert len(stored(done)) == 2


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
def test_of_a_message_another_answer_and_more_of_one_racing_one_wins_and_nothing_is_lost() -> None:
    mina = User.objects.create(username="mina")
    turn = begin(turn_of(mina))
    close(turn, "Half", MessageStatus.CANCELLED)
    here: dict[str, Any] = {"conversation_id": turn.conversation_id}

    for round_number in range(5):
        rows = Message.objects.count()
        cut = begin(turn_of(mina, f"round {round_number}", **here))
        close(cut, "Half", MessageStatus.CANCELLED)
        items = [
            turn_of(mina, "next", **here),
            turn_of(mina, messages=(), regenerates=cut.message_id, **here),
            turn_of(mina, messages=(), continues=cut.message_id, **here),
        ]
        results = race(*[lambda item=item: begin_turns([item])[0] for item in items])

        assert sorted(type(r).__name__ for r in results) == ["ConversationBusy"] * 2 + ["Turn"]
        won = next(n for n, result in enumerate(results) if isinstance(result, Turn))
        assert Message.objects.count() == rows + 2 + (2, 1, 0)[won]
        assert Message.objects.filter(status="streaming").count() == 1
        assert Conversation.objects.get().head_id == results[won].message_id
        close(results[won], "Half and more")


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
