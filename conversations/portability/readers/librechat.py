"""Reads LibreChat's export of a conversation as JSON.

`messages` is a list, whose items name their `parentMessageId`, or a tree of items with `children`. What an
item says is its `text`, or a list of typed parts as `content`: texts, thoughts, and calls of tools with
their results, which become messages of their own here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from conversations.models import (
    MAX_FINISH_REASON,
    MAX_MODEL_NAME,
    MAX_SYSTEM_PROMPT,
    MAX_TITLE,
    MessageRole,
    MessageStatus,
    Rating,
)
from conversations.models.feedback import MAX_COMMENT, MAX_REASON
from conversations.models.messages import MAX_TOOL_CALL_ID
from conversations.portability.readers.keys import make_key
from conversations.portability.trees import (
    FileReference,
    ImportedConversation,
    ImportedFeedback,
    ImportedMessage,
)
from conversations.portability.values import make_call, moment_of, object_in, objects_in, text_of

RATINGS = {"thumbsUp": Rating.UP.value, "thumbsDown": Rating.DOWN.value}


def recognises(item: Mapping[str, Any]) -> bool:
    has_messages = isinstance(item.get("messages"), list) or isinstance(item.get("messagesTree"), list)
    return has_messages and "conversationId" in item


def read(item: Mapping[str, Any]) -> ImportedConversation:
    """Raises UnreadableItem."""
    messages: list[ImportedMessage] = []
    last_of: dict[str, str] = {}
    for said, parent in _walk(objects_in(item.get("messages") or item.get("messagesTree"))):
        id_ = text_of(said.get("messageId")) or f"#{len(messages)}"
        made = list(_read_message(said, id_, last_of.get(parent)))
        last_of[id_] = made[-1].id
        messages += made
    options = object_in(item.get("options"))
    moments = [message.created_at for message in messages if message.created_at]
    return ImportedConversation(
        key=make_key("librechat", item.get("conversationId"), item),
        title=text_of(item.get("title"), MAX_TITLE),
        messages=messages,
        created_at=moment_of(item.get("createdAt")) or min(moments, default=None),
        updated_at=moment_of(item.get("updatedAt")) or max(moments, default=None),
        columns={
            "model": text_of(item.get("model") or options.get("model"), MAX_MODEL_NAME),
            "system_prompt": text_of(
                item.get("promptPrefix") or options.get("promptPrefix"), MAX_SYSTEM_PROMPT
            ),
        },
    )


def _walk(said: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each item with the id of its parent, parents first."""
    waiting = [(one, text_of(one.get("parentMessageId"))) for one in said][::-1]
    while waiting:
        one, parent = waiting.pop()
        yield one, parent
        id_ = text_of(one.get("messageId"))
        waiting += [(child, id_) for child in reversed(objects_in(one.get("children")))]


def _read_message(said: Mapping[str, Any], id_: str, parent_id: str | None) -> Iterator[ImportedMessage]:
    """One message; several where an answer called tools: each call, its result, and what was said then."""
    is_users = said.get("isCreatedByUser") is True
    answer = _Answer(id_, parent_id, moment_of(said.get("createdAt")))
    for part in objects_in(said.get("content")):
        kind = part.get("type")
        if kind == "tool_call" and isinstance(part.get("tool_call"), dict):
            yield from answer.call(part["tool_call"], text_of(said.get("model"), MAX_MODEL_NAME))
        elif kind == "think":
            answer.thoughts.append(_text_in(part.get("think")))
        else:
            answer.pieces.append(_text_in(part.get("text")) or _text_in(part.get("error")))
    if not answer.pieces:
        answer.pieces.append(text_of(said.get("text")))
    pieces: list[str | FileReference] = [piece for piece in answer.pieces if piece]
    pieces += [
        FileReference(name=text_of(file.get("filename")) or "file", key=text_of(file.get("file_id")))
        for file in objects_in(said.get("files"))
    ]
    columns: dict[str, Any] = {"status": MessageStatus.COMPLETE.value}
    if not is_users:
        columns |= {
            "reasoning": "\n\n".join(filter(None, answer.thoughts)),
            "model": text_of(said.get("model"), MAX_MODEL_NAME),
            "finish_reason": text_of(said.get("finish_reason"), MAX_FINISH_REASON),
        }
        if said.get("error") is True:
            columns["status"] = MessageStatus.ERROR.value
        elif said.get("unfinished") is True:
            columns["status"] = MessageStatus.CANCELLED.value
    yield ImportedMessage(
        id=id_,
        parent_id=answer.parent_id,
        role=MessageRole.USER if is_users else MessageRole.ASSISTANT,
        pieces=pieces,
        created_at=answer.created_at,
        columns=columns,
        feedback=None if is_users else _read_feedback(said.get("feedback")),
    )


class _Answer:
    """What of an answer was met since its last call of a tool, and after what it stands."""

    def __init__(self, id_: str, parent_id: str | None, created_at: Any) -> None:
        self.parent_id = parent_id
        self.created_at = created_at
        self.pieces: list[str] = []
        self.thoughts: list[str] = []
        self._id = id_
        self._calls = 0

    def call(self, call: Mapping[str, Any], model: str) -> Iterator[ImportedMessage]:
        """The message that calls the tool, with what was said before, and the one with the result."""
        self._calls += 1
        id_ = f"{self._id}#{self._calls}"
        call_id = (text_of(call.get("id")) or id_)[:MAX_TOOL_CALL_ID]
        arguments = call.get("args")
        arguments = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
        yield ImportedMessage(
            id=id_,
            parent_id=self.parent_id,
            role=MessageRole.ASSISTANT,
            pieces=[piece for piece in self.pieces if piece],
            created_at=self.created_at,
            tool_calls=[make_call(call_id, text_of(call.get("name")), arguments)],
            columns={"reasoning": "\n\n".join(filter(None, self.thoughts)), "model": model},
        )
        yield ImportedMessage(
            id=f"{id_}=",
            parent_id=id_,
            role=MessageRole.TOOL,
            pieces=[text_of(call.get("output"))],
            created_at=self.created_at,
            columns={"tool_call_id": call_id},
        )
        self.parent_id = f"{id_}="
        self.pieces, self.thoughts = [], []


def _text_in(value: object) -> str:
    """Texts are strings, or objects with the string as `value`."""
    return text_of(value.get("value") if isinstance(value, dict) else value)


def _read_feedback(value: object) -> ImportedFeedback | None:
    rating = RATINGS.get(text_of(value.get("rating"))) if isinstance(value, dict) else None
    if rating is None or not isinstance(value, dict):
        return None
    return ImportedFeedback(
        rating=rating,
        reason=text_of(value.get("tag"), MAX_REASON),
        comment=text_of(value.get("text"), MAX_COMMENT),
    )
