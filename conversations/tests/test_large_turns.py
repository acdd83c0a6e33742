"""Turns that are large: kept out of others' batches, and refused before anything is stored."""

from __future__ import annotations

from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from msgspec.structs import replace

from accounts.models import User
from conversations.models import ROW_BYTES, Conversation, Message, MessageStatus
from conversations.new_turns import LargeTurn, NewTurn, PreparedPrompt, Turn
from conversations.prompt_sizes import LIGHT, MAX_BYTES_PER_TOKEN, TurnLimits
from conversations.repeats import RepeatKey
from conversations.stored_bytes import sum_stored_bytes
from conversations.tests.turn_items import begin, close, stored, turn_of
from conversations.turns import begin_turns, find_answers, prepare_turns
from gateway.errors import ContextLengthExceeded, ConversationBusy, ConversationFull, NotFound

pytestmark = pytest.mark.django_db

CONTEXT = TurnLimits(model="tiny", context_tokens=1000)
FULL = CONTEXT.context_tokens or 0
LONG = "x" * (LIGHT.size_bytes + 1)


def prepare(item: NewTurn) -> PreparedPrompt:
    (result,) = prepare_turns([item])
    if isinstance(result, Exception):
        raise result
    return result


def test_turn_that_cannot_fit_is_refused_with_the_numbers_and_not_stored(mina: User) -> None:
    too_long = "x" * (FULL * MAX_BYTES_PER_TOKEN + 1)

    with pytest.raises(ContextLengthExceeded) as caught:
        begin(turn_of(mina, too_long, limits=CONTEXT))

    assert "16001 bytes" in caught.value.message
    assert "`tiny` is 1000 tokens" in caught.value.message
    assert not Message.objects.exists()
    assert not Conversation.objects.exists()


def test_what_was_said_before_counts_for_the_context(mina: User) -> None:
    first = begin(turn_of(mina, "x" * FULL * MAX_BYTES_PER_TOKEN))
    close(first, "Hi!")
    item = turn_of(mina, "more", conversation_id=first.conversation_id, limits=CONTEXT)

    with pytest.raises(ContextLengthExceeded):
        begin(item)
    with pytest.raises(ContextLengthExceeded):
        prepare(item)

    assert len(stored(first)) == 2


@pytest.mark.parametrize(("size_bytes", "is_sure"), [(700, True), (1001, False), (16_000, False)])
def test_turn_near_the_end_of_the_context_is_to_be_counted_first(
    mina: User, size_bytes: int, is_sure: bool
) -> None:
    (result,) = begin_turns([turn_of(mina, "x" * size_bytes, limits=CONTEXT)])

    assert isinstance(result, Turn) is is_sure
    assert isinstance(result, LargeTurn) is not is_sure
    assert Message.objects.exists() is is_sure


def test_long_branch_is_not_loaded_in_a_batch_and_the_turn_goes_on_apart(mina: User, juno: User) -> None:
    first = begin(turn_of(mina, LONG))
    close(first, "Long.")
    item = turn_of(mina, "Go on.", conversation_id=first.conversation_id)

    large, small = begin_turns([item, turn_of(juno)])
    prepared = prepare(item)
    turn = begin(replace(item, prepared=prepared))

    assert (type(large), type(small)) == (LargeTurn, Turn)
    assert [m["content"] for m in turn.prompt] == [LONG, "Long.", "Go on."]
    assert [content for _role, _status, content in stored(first)] == [LONG, "Long.", "Go on.", ""]


def test_branch_of_many_messages_is_not_loaded_in_a_batch(mina: User) -> None:
    conversation = Conversation.objects.create(owner=mina)
    rows = [
        Message(conversation=conversation, owner=mina, role="user", content="x")
        for _ in range(LIGHT.messages + 1)
    ]
    for parent, row in pairwise(rows):
        row.parent = parent
    Message.objects.bulk_create(rows)
    Conversation.objects.update(head=rows[-1])

    (result,) = begin_turns([turn_of(mina, conversation_id=conversation.id)])

    assert isinstance(result, LargeTurn)
    assert len(prepare(turn_of(mina, conversation_id=conversation.id)).prompt[0]["content"]) > 1500


def test_only_the_active_branch_is_loaded(mina: User) -> None:
    first = begin(turn_of(mina, "root"))
    close(first, "answer")
    here = first.conversation_id
    close(begin(turn_of(mina, LONG, conversation_id=here, parent_id=first.message_id)), "left")

    (turn,) = begin_turns([turn_of(mina, "right", conversation_id=here, parent_id=first.message_id)])

    assert isinstance(turn, Turn)
    assert [m["content"] for m in turn.prompt] == ["root", "answer", "right"]


def test_prepared_turn_of_a_conversation_that_went_on_is_refused(mina: User) -> None:
    first = begin(turn_of(mina, LONG))
    close(first)
    item = turn_of(mina, "late", conversation_id=first.conversation_id)
    prepared = prepare(item)
    other = turn_of(mina, "earlier", conversation_id=first.conversation_id)
    close(begin(replace(other, prepared=prepare(other))))

    with pytest.raises(ConversationBusy):
        begin(replace(item, prepared=prepared))


def test_large_turn_finds_no_more_of_others_than_a_small_one(mina: User, juno: User) -> None:
    theirs = begin(turn_of(mina, LONG))
    close(theirs)
    mine = begin(turn_of(juno))
    close(mine)

    with pytest.raises(NotFound):
        prepare(turn_of(juno, LONG, conversation_id=theirs.conversation_id))
    with pytest.raises(NotFound):
        prepare(turn_of(juno, LONG, conversation_id=mine.conversation_id, parent_id=theirs.message_id))


def test_large_message_that_failed_is_tried_again_and_then_repeated(mina: User) -> None:
    item = turn_of(mina, LONG, client_message_id="c-1")
    close(begin(replace(item, prepared=prepare(item))), "", MessageStatus.ERROR)

    again = begin(replace(item, prepared=prepare(item)))
    close(again, "Good.")

    assert again.prompt == [{"role": "user", "content": LONG}]
    (found,) = find_answers([RepeatKey(owner_id=mina.id, client_message_id="c-1")])
    assert isinstance(found, Turn)
    assert found.replay is not None
    assert found.replay.content == "Good."


def test_conversation_that_would_hold_more_than_it_may_is_full(mina: User) -> None:
    limits = TurnLimits(conversation_bytes=4 * ROW_BYTES + 50)
    first = begin(turn_of(mina, "x" * 20, limits=limits))
    close(first, "안녕" * 4)  # 24 bytes
    here = first.conversation_id

    with pytest.raises(ConversationFull) as caught:
        begin(turn_of(mina, "x" * 7, conversation_id=here, limits=limits))

    assert "4147 bytes; 4146 are allowed" in caught.value.message
    assert len(stored(first)) == 2
    assert begin(turn_of(mina, "x" * 6, conversation_id=here, limits=limits)).prompt


def test_discarded_branches_count_for_the_conversation_and_thoughts_do(mina: User) -> None:
    limits = TurnLimits(conversation_bytes=10 * ROW_BYTES)
    first = begin(turn_of(mina))
    close(first)
    Message.objects.filter(pk=first.message_id).update(reasoning="x" * 7 * ROW_BYTES)

    with pytest.raises(ConversationFull):
        begin(turn_of(mina, conversation_id=first.conversation_id, limits=limits))


def test_account_is_the_sum_of_its_texts_and_rows(mina: User, juno: User) -> None:
    close(begin(turn_of(mina, "é", system_prompt="Be kind.")), "Hi!")
    begin(turn_of(juno))

    assert sum_stored_bytes([mina.id, mina.id]) == [2 + 3 + 8 + 3 * ROW_BYTES] * 2


def test_batch_of_long_conversations_takes_as_many_queries_as_one_of_short_ones(mina: User) -> None:
    counts = []
    for text in ("short", LONG):
        done = begin(turn_of(mina, text))
        close(done)
        with CaptureQueriesContext(connection) as queries:
            begin_turns([turn_of(mina, conversation_id=done.conversation_id, limits=CONTEXT)] * 2)
        counts.append(len(queries))

    assert counts[1] <= counts[0]
