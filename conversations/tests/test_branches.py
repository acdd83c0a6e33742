"""From the message tree to a branch, and from a branch to a prompt; no database needed."""

from __future__ import annotations

from conversations.branches import active_branch, to_prompt
from conversations.models import Message


def said(role: str, content: str, parent: Message | None = None) -> Message:
    return Message(role=role, content=content, parent_id=parent.id if parent else None)


def test_branch_is_the_path_from_the_root_to_the_head() -> None:
    root = said("user", "root")
    left, right = said("assistant", "left", root), said("assistant", "right", root)
    leaf = said("user", "leaf", left)

    messages = {m.id: m for m in (leaf, right, left, root)}

    assert active_branch(messages, leaf.id) == [root, left, leaf]
    assert active_branch(messages, right.id) == [root, right]


def test_conversation_without_a_head_has_an_empty_branch() -> None:
    root = said("user", "root")

    assert active_branch({root.id: root}, None) == []


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
