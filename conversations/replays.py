"""Stored answers to messages that are sent again."""

from __future__ import annotations

import uuid

from conversations.models import Message
from conversations.new_turns import Turn
from conversations.repeats import AskedByKey, AskedMessage


def load_replays(asked: AskedByKey) -> dict[uuid.UUID, Message]:
    ids = [a.answer_id for a in asked.values() if a.is_answered and a.answer_id is not None]
    return Message.objects.in_bulk(ids) if ids else {}


def replay(asked: AskedMessage, replays: dict[uuid.UUID, Message]) -> Turn | None:
    answer = replays.get(asked.answer_id) if asked.answer_id else None
    if answer is None:
        return None
    return Turn(conversation_id=answer.conversation_id, message_id=answer.id, prompt=[], replay=answer)
