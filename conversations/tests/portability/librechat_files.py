"""Small exports in LibreChat's format."""

from __future__ import annotations

from typing import Any


def librechat_conversation(messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return {
        "conversationId": "l-1",
        "endpoint": "custom",
        "title": "From LibreChat",
        "exportAt": "10:00:00 GMT+0000",
        "branches": True,
        "recursive": False,
        "options": {"model": "mistral", "promptPrefix": "Be kind."},
        "messages": messages,
        **fields,
    }


def librechat_message(id_: str, parent: str, *, is_users: bool = False, **fields: Any) -> dict[str, Any]:
    return {
        "messageId": id_,
        "parentMessageId": parent,
        "isCreatedByUser": is_users,
        "sender": "User" if is_users else "Mistral",
        "createdAt": "2026-11-22T10:00:00.000Z",
        **fields,
    }
