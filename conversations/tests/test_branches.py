"""From the message tree to a branch, and from a branch to a prompt."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from conversations.branches import Branch, BranchLimits, BranchMessage, load_branches, to_prompt
from conversations.models import Conversation, Message

ROOMY = BranchLimits(messages=100, size_bytes=10_000)


def said(role: str, content: str) -> BranchMessage:
    return BranchMessage("", role, content)


@pytest.fixture
def conversation(mina: User) -> Conversation:
    return Conversation.objects.create(owner=mina)


def stored(conversation: Conversation, content: str, parent: Message | None = None, **more: str) -> Message:
    return Message.objects.create(
        conversation=conversation,
        owner=conversation.owner,
        role="user",
        content=content,
        parent=parent,
        **more,
    )


def branch_to(end: Message, limits: BranchLimits = ROOMY) -> Branch:
    return load_branches([end.id], limits)[end.id]


def contents(branch: Branch) -> list[str]:
    return [message.content for message in branch.messages]


@pytest.mark.django_db
def test_branch_is_the_path_from_the_root_to_its_end(conversation: Conversation) -> None:
    root = stored(conversation, "root")
    left, right = stored(conversation, "left", root), stored(conversation, "right", root)
    leaf = stored(conversation, "뿌리", left, reasoning="hm")

    branch = branch_to(leaf)

    assert (contents(branch), branch.is_whole) == (["root", "left", "뿌리"], True)
    assert branch.size_bytes == len("rootleft") + 6
    assert branch.conversation_id == conversation.id
    assert contents(branch_to(right)) == ["root", "right"]


@pytest.mark.django_db
def test_branches_of_many_conversations_are_one_query(mina: User) -> None:
    ends = [stored(Conversation.objects.create(owner=mina), f"{n}") for n in range(5)]

    with CaptureQueriesContext(connection) as queries:
        branches = load_branches([end.id for end in ends] + [uuid.uuid4()], ROOMY)

    assert {key: contents(branch) for key, branch in branches.items()} == {e.id: [e.content] for e in ends}
    assert len(queries) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (BranchLimits(messages=2, size_bytes=100), ["cccc", "dddd"]),
        (BranchLimits(messages=9, size_bytes=8), ["cccc", "dddd"]),
        (BranchLimits(messages=9, size_bytes=7), ["dddd"]),
        (BranchLimits(messages=9, size_bytes=3), []),
        (BranchLimits(messages=4, size_bytes=16), ["aaaa", "bbbb", "cccc", "dddd"]),
    ],
)
def test_branch_beyond_a_limit_is_its_end_and_says_so(
    conversation: Conversation, limits: BranchLimits, kept: list[str]
) -> None:
    end = None
    for text in ("aaaa", "bbbb", "cccc", "dddd"):
        end = stored(conversation, text, end)
    assert end is not None

    branch = branch_to(end, limits)

    assert (contents(branch), branch.is_whole) == (kept, len(kept) == 4)


def test_prompt_begins_with_the_system_prompt_if_there_is_one() -> None:
    branch = [said("user", "Hello")]

    assert to_prompt("Be brief.", branch)[0] == {"role": "system", "content": "Be brief."}
    assert to_prompt("", branch) == [{"role": "user", "content": "Hello"}]


def test_prompt_never_has_two_user_turns_in_a_row() -> None:
    branch = [
        said("user", "one"),
        said("assistant", ""),
        said("user", "two"),
        said("user", "three"),
        said("assistant", "answer"),
        said("user", "four"),
    ]

    assert to_prompt("", branch) == [
        {"role": "user", "content": "one\n\ntwo\n\nthree"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": "four"},
    ]


def test_making_a_prompt_leaves_the_messages_alone() -> None:
    branch = [said("user", "one"), said("user", "two")]

    to_prompt("", branch)

    assert [message.content for message in branch] == ["one", "two"]
