"""Turns to begin, and ends of answers."""

from __future__ import annotations

from typing import Any

from accounts.models import User
from conversations.models import Message, MessageRole, MessageStatus
from conversations.new_turns import NewMessage, NewTurn, Turn
from conversations.replies import ReplyOutcome, close_replies
from conversations.turns import begin_turns


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
    assert isinstance(result, Turn)
    return result


def close(turn: Turn, content: str = "Hi!", status: MessageStatus = MessageStatus.COMPLETE) -> None:
    close_replies([ReplyOutcome(message_id=turn.message_id, status=status, content=content)])


def stored(turn: Turn) -> list[tuple[str, str, str]]:
    """The conversation's messages in the order of their making: role, status, content."""
    rows = Message.objects.filter(conversation_id=turn.conversation_id).order_by("id")
    return [(row.role, row.status, row.content) for row in rows]


def outcome(answer: Message, **more: Any) -> ReplyOutcome:
    defaults: dict[str, Any] = {"message_id": answer.id, "status": MessageStatus.COMPLETE, "content": "Hi!"}
    return ReplyOutcome(**defaults | more)
