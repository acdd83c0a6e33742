"""Turns that say nothing new: another answer beside one, and an answer that goes on in its own row."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from msgspec.structs import replace

from accounts.models import User
from conversations.models import ROW_BYTES, Conversation, Message, MessageRole, MessageStatus
from conversations.new_turns import LargeTurn, NewTurn, Turn
from conversations.prompt_sizes import LIGHT, TurnLimits
from conversations.replies import (
    Checkpoint,
    ReplyOutcome,
    Sweep,
    close_replies,
    save_checkpoints,
    sweep_orphans,
)
from conversations.tests.test_concurrent_turns import Meanwhile
from conversations.tests.turn_items import begin, close, stored, turn_of
from conversations.turns import begin_turns, prepare_turns
from gateway.errors import (
    AnswerNotContinuable,
    ConversationBusy,
    ConversationFull,
    InvalidRequest,
    NotFound,
)

pytestmark = pytest.mark.django_db

HELLO = {"role": "user", "content": "Hello"}


def again(owner: User, turn: Turn, **more: Any) -> NewTurn:
    defaults: dict[str, Any] = {
        "owner_id": owner.id,
        "messages": (),
        "model": "other",
        "conversation_id": turn.conversation_id,
    }
    return NewTurn(**defaults | more)


def asked_by(turn: Turn) -> uuid.UUID:
    asked = Message.objects.get(pk=turn.message_id).parent_id
    assert asked is not None
    return asked


def cut(turn: Turn, content: str = "Half an", **more: Any) -> None:
    """End the answer before it was complete."""
    end: dict[str, Any] = {"status": MessageStatus.CANCELLED, "content": content}
    close_replies([ReplyOutcome(message_id=turn.message_id, **end | more)])


def head_of(turn: Turn) -> Any:
    return Conversation.objects.get(pk=turn.conversation_id).head_id


def test_another_answer_stands_beside_the_first_which_stays_as_it_was(mina: User) -> None:
    first = begin(turn_of(mina))
    close(first)
    before = Message.objects.filter(pk=first.message_id).values().get()

    other = begin(again(mina, first, regenerates=first.message_id))

    assert other.prompt == [HELLO]
    assert asked_by(other) == asked_by(first)
    assert Message.objects.filter(pk=first.message_id).values().get() == before
    assert Message.objects.get(pk=other.message_id).model == "other"
    assert head_of(first) == other.message_id
    assert Conversation.objects.get(pk=first.conversation_id).version == 2


@pytest.mark.parametrize("role", [MessageRole.USER, MessageRole.TOOL])
def test_question_gets_an_answer_beside_those_that_it_has(mina: User, role: MessageRole) -> None:
    first = begin(turn_of(mina))
    close(first)
    asked = Message.objects.create(
        conversation_id=first.conversation_id,
        owner=mina,
        parent_id=first.message_id,
        role=role,
        content="Edited",
    )

    turn = begin(again(mina, first, regenerates=asked.id))

    assert asked_by(turn) == asked.id
    assert [m["content"] for m in turn.prompt] == ["Hello", "Hi!", "Edited"]
    assert head_of(first) == turn.message_id


def test_answer_in_the_middle_is_answered_again_from_what_was_before_it(mina: User) -> None:
    first = begin(turn_of(mina))
    close(first)
    close(begin(turn_of(mina, "more", conversation_id=first.conversation_id)))

    turn = begin(again(mina, first, regenerates=first.message_id))

    assert turn.prompt == [HELLO]


@pytest.mark.parametrize("role", [MessageRole.SYSTEM, MessageRole.ASSISTANT])
def test_message_that_neither_asks_nor_answers_has_no_other_answer(mina: User, role: MessageRole) -> None:
    conversation = Conversation.objects.create(owner=mina)
    root = Message.objects.create(conversation=conversation, owner=mina, role=role, content="Welcome!")

    with pytest.raises(InvalidRequest):
        begin(turn_of(mina, messages=(), conversation_id=conversation.id, regenerates=root.id))

    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    "end",
    [
        {"status": MessageStatus.CANCELLED},
        {"status": MessageStatus.ERROR, "error_code": "upstream_timeout"},
        {"status": MessageStatus.ERROR, "error_code": "interrupted"},
        {"status": MessageStatus.COMPLETE, "finish_reason": "length"},
    ],
    ids=["cancelled", "failed", "interrupted", "too long"],
)
def test_answer_that_was_cut_goes_on_in_its_own_row_from_the_text_that_it_has(
    mina: User, end: dict[str, Any]
) -> None:
    first = begin(turn_of(mina))
    Message.objects.update(cancel_requested_at=timezone.now())
    cut(first, reasoning="Well.", **end)

    turn = begin(again(mina, first, continues=first.message_id, request_id="r2"))

    assert turn.message_id == first.message_id
    assert turn.prompt == [HELLO, {"role": "assistant", "content": "Half an", "reasoning": "Well."}]
    assert turn.continued is not None
    assert turn.continued.status == end["status"]
    row = Message.objects.get(pk=turn.message_id)
    assert (row.status, row.content, row.reasoning) == ("streaming", "Half an", "Well.")
    assert (row.error_code, row.finish_reason, row.request_id) == ("", "", "r2")
    assert row.lease_expires_at is not None
    assert row.cancel_requested_at is None
    assert head_of(first) == first.message_id
    assert len(stored(first)) == 2


def finish(turn: Turn, **end: Any) -> None:
    close_replies([ReplyOutcome(message_id=turn.message_id, **{"content": "Hi!", **end})])


def go_on_after(turn: Turn) -> None:
    cut(turn)
    parent = {"conversation_id": turn.conversation_id, "parent_id": turn.message_id}
    Message.objects.create(owner_id=Message.objects.get(pk=turn.message_id).owner_id, role="user", **parent)


@pytest.mark.parametrize(
    "end",
    [
        lambda turn: finish(turn, status=MessageStatus.COMPLETE, finish_reason="stop"),
        lambda turn: finish(turn, status=MessageStatus.COMPLETE, finish_reason="refusal"),
        lambda turn: finish(turn, status=MessageStatus.COMPLETE, finish_reason="length", tool_calls=[{}]),
        lambda turn: cut(turn, "", reasoning="Only a thought"),
        lambda turn: cut(turn, "", status=MessageStatus.ERROR),
        go_on_after,
    ],
    ids=["complete", "refused", "tool calls", "only reasoning", "empty", "answered"],
)
def test_answer_that_was_not_cut_or_has_no_text_is_not_continued(
    mina: User, end: Callable[[Turn], None]
) -> None:
    first = begin(turn_of(mina))
    end(first)
    before = stored(first)

    with pytest.raises(AnswerNotContinuable):
        begin(again(mina, first, continues=first.message_id))

    assert stored(first) == before


def test_question_is_not_continued(mina: User) -> None:
    first = begin(turn_of(mina))
    close(first)

    with pytest.raises(AnswerNotContinuable):
        begin(again(mina, first, continues=asked_by(first)))


@pytest.mark.parametrize("how", ["regenerates", "continues"])
def test_nothing_is_answered_again_in_a_conversation_that_is_busy_or_gone(mina: User, how: str) -> None:
    first = begin(turn_of(mina))
    item = again(mina, first, **{how: first.message_id})

    with pytest.raises(ConversationBusy):
        begin(item)

    cut(first)
    Conversation.objects.update(deleted_at=timezone.now())
    with pytest.raises(NotFound):
        begin(item)
    with pytest.raises(NotFound):
        raise prepare_turns([item])[0]  # type: ignore[misc]  # an exception, as asked for


@pytest.mark.parametrize("how", ["regenerates", "continues"])
def test_foreign_message_is_answered_like_one_that_does_not_exist(mina: User, juno: User, how: str) -> None:
    theirs, mine = begin(turn_of(mina)), begin(turn_of(juno))
    cut(theirs)
    cut(mine)

    def refusal(place: uuid.UUID, message: uuid.UUID) -> tuple[str, str | None]:
        (result,) = begin_turns([again(juno, mine, conversation_id=place, **{how: message})])
        assert isinstance(result, NotFound)
        return result.message, result.param

    nowhere = uuid.uuid4()
    assert refusal(theirs.conversation_id, theirs.message_id) == refusal(nowhere, theirs.message_id)
    assert refusal(mine.conversation_id, theirs.message_id) == refusal(mine.conversation_id, nowhere)
    assert {status for _role, status, _content in stored(theirs)} == {"complete", "cancelled"}


def test_large_conversation_is_answered_again_and_gone_on_with_apart(mina: User) -> None:
    first = begin(turn_of(mina, "x" * (LIGHT.size_bytes + 1)))
    cut(first)

    for how, roles in (("continues", ["user", "assistant"]), ("regenerates", ["user"])):
        item = again(mina, first, **{how: first.message_id})
        (large,) = begin_turns([item])
        (prepared,) = prepare_turns([item])
        assert isinstance(large, LargeTurn)
        assert not isinstance(prepared, Exception)
        turn = begin(replace(item, prepared=prepared))
        assert [m["role"] for m in turn.prompt] == roles
        cut(turn, "Half an answer")

    assert [content for _role, _status, content in stored(first)][1:] == ["Half an answer"] * 2


def test_prepared_text_that_went_on_meanwhile_is_not_continued_twice(mina: User) -> None:
    first = begin(turn_of(mina))
    cut(first)
    item = again(mina, first, continues=first.message_id)
    (prepared,) = prepare_turns([item])
    assert not isinstance(prepared, Exception)
    begin(item)
    cut(first, "Half an answer")

    with pytest.raises(ConversationBusy):
        begin(replace(item, prepared=prepared))


def test_another_answer_counts_for_the_conversation_and_going_on_adds_no_row(mina: User) -> None:
    limits = TurnLimits(conversation_bytes=2 * ROW_BYTES + 20)
    first = begin(turn_of(mina, limits=limits))
    cut(first)

    with pytest.raises(ConversationFull):
        begin(again(mina, first, regenerates=first.message_id, limits=limits))

    assert begin(again(mina, first, continues=first.message_id, limits=limits)).continued


def test_process_that_lost_an_answer_changes_nothing_after_another_went_on_with_it(mina: User) -> None:
    first = begin(turn_of(mina, request_id="r1"))
    late: dict[str, Any] = {"message_id": first.message_id, "request_id": "r1"}
    save_checkpoints([Checkpoint(**late, content="Half an", reasoning="", lease_s=-1)])
    sweep_orphans([Sweep()])
    begin(again(mina, first, continues=first.message_id, request_id="r2"))

    save_checkpoints([Checkpoint(**late, content="Half an old", reasoning="", lease_s=60)])
    close_replies([ReplyOutcome(**late, content="Half an old answer", status=MessageStatus.COMPLETE)])

    assert stored(first)[-1] == ("assistant", "streaming", "Half an")
    save_checkpoints(
        [Checkpoint(**late | {"request_id": "r2"}, content="Half an 1", reasoning="", lease_s=1)]
    )
    assert stored(first)[-1] == ("assistant", "streaming", "Half an 1")


def test_continued_answer_whose_process_dies_keeps_its_text_and_can_be_continued(mina: User) -> None:
    first = begin(turn_of(mina))
    cut(first, status=MessageStatus.COMPLETE, finish_reason="length")
    item = again(mina, first, continues=first.message_id, lease_s=-1)
    begin(item)

    sweep_orphans([Sweep()])

    row = Message.objects.get(pk=first.message_id)
    assert (row.status, row.error_code, row.content) == ("error", "interrupted", "Half an")
    assert begin(item).continued


def test_batch_of_many_takes_as_many_queries_as_one(mina: User) -> None:
    def items(count: int, how: str) -> list[NewTurn]:
        turns = [begin(turn_of(mina)) for _ in range(count)]
        for turn in turns:
            cut(turn)
        return [again(mina, turn, **{how: turn.message_id}) for turn in turns]

    def count_queries(batch: list[NewTurn]) -> int:
        with CaptureQueriesContext(connection) as queries:
            results = begin_turns(batch)
        assert {type(result) for result in results} == {Turn}
        return len(queries)

    for how in ("regenerates", "continues"):
        assert count_queries(items(1, how)) == count_queries(items(20, how))


@pytest.mark.services
def test_answer_that_ends_otherwise_meanwhile_is_read_again_before_it_goes_on(
    mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin(turn_of(mina, request_id="r1"))
    late: dict[str, Any] = {"message_id": first.message_id, "request_id": "r1"}
    save_checkpoints([Checkpoint(**late, content="Half an", reasoning="", lease_s=-1)])
    sweep_orphans([Sweep()])
    outcome = ReplyOutcome(**late, content="Half an answer.", status=MessageStatus.COMPLETE)
    Meanwhile(monkeypatch, lambda: close_replies([outcome]))

    (result,) = begin_turns([again(mina, first, continues=first.message_id, request_id="r2")])

    assert isinstance(result, AnswerNotContinuable)
    assert stored(first)[-1] == ("assistant", "complete", "Half an answer.")
    assert Conversation.objects.get(pk=first.conversation_id).version == 1
