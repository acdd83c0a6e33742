"""Which turns a prompt can leave out, and how much of a branch is loaded for it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from conversations.branches import MOST_COUNTED, BranchMessage
from conversations.models import Conversation, Message
from conversations.new_turns import PreparedPrompt
from conversations.prompt_sizes import TurnLimits
from conversations.prompt_sources import PromptSource, find_turns
from conversations.tests.turn_items import turn_of
from conversations.turns import prepare_turns

LIMITS = TurnLimits(model="tiny", context_tokens=400, keeps_newest=True, answer_tokens=100)

SAID = st.lists(
    st.builds(
        BranchMessage,
        id=st.just(""),
        role=st.sampled_from(["user", "assistant", "tool"]),
        content=st.sampled_from(["", "x", "안녕", "long " * 9]),
        extra=st.none(),
    ),
    min_size=1,
    max_size=12,
)


@given(SAID, st.booleans())
def test_shortened_prompt_begins_with_a_question_and_holds_whole_turns(
    said: list[BranchMessage], is_whole: bool
) -> None:
    source = PromptSource(system_prompt="Be kind.", said=said, earlier=0 if is_whole else 7)

    whole = source.make_prompt()
    for start in source.starts:
        prompt = source.make_prompt(start)
        assert prompt[0] == {"role": "system", "content": "Be kind."}
        assert prompt[1:] == whole[len(whole) - len(prompt) + 1 :]
        if start or not is_whole:
            assert prompt[1]["role"] == "user"
            assert said[start - 1].role != "user" or start == 0
        assert source.count_omitted(start) == start + (0 if is_whole else 7)
    tokens = list(source.estimates.values())
    assert tokens == sorted(tokens)
    assert set(source.estimates) == set(source.starts)


def test_questions_without_an_answer_between_them_are_one_turn() -> None:
    said = [
        BranchMessage("", role, content)
        for role, content in [
            *(("user", "1"), ("assistant", "a")),
            *(("user", "2"), ("assistant", ""), ("user", "again"), ("assistant", "b"), ("tool", "c")),
            ("user", "3"),
        ]
    ]

    assert find_turns(said) == [0, 2, 7]
    # Nobody knows what was before the first one here.
    assert PromptSource(system_prompt="", said=said, earlier=1).starts == [2, 7]


def grow(owner: User, texts: list[str]) -> Conversation:
    """A conversation of questions and answers in turn; the texts are those of its messages."""
    conversation = Conversation.objects.create(owner=owner)
    rows = [
        Message(conversation=conversation, owner=owner, content=text, role="assistant" if n % 2 else "user")
        for n, text in enumerate(texts)
    ]
    for parent, row in pairwise(rows):
        row.parent = parent
    Message.objects.bulk_create(rows)
    Conversation.objects.filter(pk=conversation.pk).update(head=rows[-1] if rows else None)
    return conversation


def prepare(owner: User, conversation: Conversation) -> tuple[PreparedPrompt, int]:
    """The prompt of one more turn, and the queries that it took."""
    with CaptureQueriesContext(connection) as queries:
        (prepared,) = prepare_turns([turn_of(owner, "next", conversation_id=conversation.id, limits=LIMITS)])
    assert isinstance(prepared, PreparedPrompt)
    return prepared, len(queries)


@pytest.mark.django_db
@pytest.mark.parametrize("length", [200, 4000])
def test_only_the_end_of_a_long_branch_is_loaded_in_as_many_queries(mina: User, length: int) -> None:
    prepared, queries = prepare(mina, grow(mina, ["word"] * length))

    source = prepared.source
    assert source is not None
    assert len(source.said) == 300 // 4 + 1 + 1
    assert source.earlier + len(source.said) == length + 1
    assert source.said[-1].content == "next"
    assert queries == 3 + (source.earlier > MOST_COUNTED)


@pytest.mark.django_db
def test_what_was_left_out_is_counted_along_the_branch(mina: User) -> None:
    conversation = grow(mina, ["x" * 1000] * 20)
    for _ in range(5):
        Message.objects.create(conversation=conversation, owner=mina, role="user", content="elsewhere")

    prepared, _queries = prepare(mina, conversation)

    assert prepared.source is not None
    assert [len(message.content) for message in prepared.source.said] == [1000, 1000, 4]
    assert prepared.source.earlier == 18


@pytest.mark.django_db
def test_last_message_that_is_too_long_by_itself_is_left_out(mina: User) -> None:
    prepared, _queries = prepare(mina, grow(mina, ["x", "y", "z", "x" * 5000]))

    assert prepared.source is not None
    assert prepared.source.earlier == 4
    assert prepared.source.starts == [0]
    assert prepared.prompt == [{"role": "user", "content": "next"}]


@pytest.mark.django_db
def test_branch_that_fits_is_loaded_whole(mina: User) -> None:
    prepared, queries = prepare(mina, grow(mina, ["x", "y"]))

    assert [m["content"] for m in prepared.prompt] == ["x", "y", "next"]
    assert prepared.source is not None
    assert prepared.source.earlier == 0
    assert queries == 2
