"""Reads the exports of this product (`conversations.portability.documents`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conversations.files.parts import cut_texts
from conversations.models import (
    MAX_FINISH_REASON,
    MAX_MODEL_NAME,
    MAX_SYSTEM_PROMPT,
    MAX_TITLE,
    MessageStatus,
    Rating,
    TitleSource,
    UsageSource,
)
from conversations.models.conversations import MAX_IMPORT_KEY
from conversations.models.feedback import MAX_COMMENT, MAX_REASON
from conversations.models.folders import MAX_FOLDER_NAME
from conversations.models.messages import MAX_ERROR_MESSAGE, MAX_TOOL_CALL_ID
from conversations.portability.trees import (
    FileReference,
    ImportedConversation,
    ImportedFeedback,
    ImportedMessage,
    UnreadableItem,
)
from conversations.portability.values import (
    calls_of,
    count_of,
    moment_of,
    objects_in,
    read_list,
    text_of,
)

TEXTS = {
    "reasoning": None,
    "tool_call_id": MAX_TOOL_CALL_ID,
    "error_code": 50,
    "error_message": MAX_ERROR_MESSAGE,
    "model": MAX_MODEL_NAME,
    "finish_reason": MAX_FINISH_REASON,
    "request_id": 128,
}
COUNTS = ("prompt_tokens", "completion_tokens", "ttft_ms", "latency_ms")


def recognises(item: Mapping[str, Any]) -> bool:
    return "head_id" in item and "messages" in item


def read(item: Mapping[str, Any]) -> ImportedConversation:
    """Raises UnreadableItem."""
    id_ = text_of(item.get("id"))
    if not id_:
        raise UnreadableItem("It has no id.")
    title_source = text_of(item.get("title_source"))
    return ImportedConversation(
        key=text_of(item.get("import_key"), MAX_IMPORT_KEY) or id_,
        own_id=id_,
        title=text_of(item.get("title"), MAX_TITLE),
        title_source=title_source if title_source in TitleSource else TitleSource.USER.value,
        folder=text_of(item.get("folder"), MAX_FOLDER_NAME),
        head_id=text_of(item.get("head_id")) or None,
        messages=[_read_message(said) for said in objects_in(read_list(item.get("messages"), "messages"))],
        created_at=moment_of(item.get("created_at")),
        updated_at=moment_of(item.get("updated_at")),
        deleted_at=moment_of(item.get("deleted_at")),
        columns={
            "system_prompt": text_of(item.get("system_prompt"), MAX_SYSTEM_PROMPT),
            "model": text_of(item.get("model"), MAX_MODEL_NAME),
            "is_pinned": item.get("pinned") is True,
            "is_archived": item.get("archived") is True,
        },
    )


def _read_message(said: Mapping[str, Any]) -> ImportedMessage:
    columns: dict[str, Any] = {name: text_of(said.get(name), most) for name, most in TEXTS.items()}
    columns |= {name: count_of(said.get(name)) for name in COUNTS}
    status, usage_source = text_of(said.get("status")), text_of(said.get("usage_source"))
    columns["omitted_messages"] = count_of(said.get("omitted_messages")) or 0
    columns["usage_source"] = usage_source if usage_source in UsageSource else ""
    # An answer that was running is imported as far as it went.
    is_running = status == MessageStatus.STREAMING
    columns["status"] = MessageStatus.CANCELLED.value if is_running or status not in MessageStatus else status
    return ImportedMessage(
        id=text_of(said.get("id")),
        parent_id=text_of(said.get("parent_id")) or None,
        role=text_of(said.get("role")),
        pieces=tuple(_read_pieces(said)),
        created_at=moment_of(said.get("created_at")),
        tool_calls=calls_of(said.get("tool_calls")),
        columns=columns,
        feedback=_read_feedback(said.get("feedback")),
    )


def _read_pieces(said: Mapping[str, Any]) -> Iterator[str | FileReference]:
    content = text_of(said.get("content"))
    parts = objects_in(said.get("parts"))
    if not parts:
        yield content
        return
    for part in parts:
        if part.get("type") == "text" and count_of(part.get("length")) is None:
            raise UnreadableItem("A part of a message is not as exports write it.")
    for part, text in cut_texts(content, [{"type": None, **part} for part in parts]):
        if part["type"] == "text":
            yield text
        else:
            yield FileReference(name=text_of(part.get("name")), key=text_of(part.get("file_id")))


def _read_feedback(value: object) -> ImportedFeedback | None:
    if not isinstance(value, dict) or value.get("rating") not in Rating.values:
        return None
    return ImportedFeedback(
        rating=value["rating"],
        reason=text_of(value.get("reason"), MAX_REASON),
        comment=text_of(value.get("comment"), MAX_COMMENT),
        created_at=moment_of(value.get("created_at")),
    )
