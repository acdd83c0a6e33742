"""Conversations, messages and files as exports hold them: the one place that names their fields."""

from __future__ import annotations

import mimetypes
from typing import Any

from conversations.models import Conversation, Feedback, Message, StoredFile

FORMAT = "vllm-chat-gateway"
LINES_FORMAT = "vllm-chat-gateway-lines"
VERSION = 1
"""Grows when a reader of the old one would misunderstand the new one; new fields alone are none."""


def describe_conversation(conversation: Conversation) -> dict[str, Any]:
    """Without its messages, which follow as `messages`, parents before children."""
    return {
        "id": conversation.pk,
        "import_key": conversation.import_key,
        "title": conversation.title,
        "title_source": conversation.title_source,
        "system_prompt": conversation.system_prompt,
        "model": conversation.model,
        "folder": conversation.folder.name if conversation.folder else None,
        "pinned": conversation.is_pinned,
        "archived": conversation.is_archived,
        "head_id": conversation.head_id,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "deleted_at": conversation.deleted_at,
    }


def describe_message(message: Message) -> dict[str, Any]:
    """`parts` are as the row holds them: a text part is the next `length` characters of `content`."""
    return {
        "id": message.pk,
        "parent_id": message.parent_id,
        "role": message.role,
        "content": message.content,
        "reasoning": message.reasoning,
        "parts": message.parts,
        "tool_calls": message.tool_calls,
        "tool_call_id": message.tool_call_id,
        "status": message.status,
        "error_code": message.error_code,
        "error_message": message.error_message,
        "model": message.model,
        "finish_reason": message.finish_reason,
        "prompt_tokens": message.prompt_tokens,
        "completion_tokens": message.completion_tokens,
        "usage_source": message.usage_source,
        "ttft_ms": message.ttft_ms,
        "latency_ms": message.latency_ms,
        "omitted_messages": message.omitted_messages,
        "request_id": message.request_id,
        "created_at": message.created_at,
        "feedback": _describe_feedback(message),
    }


def _describe_feedback(message: Message) -> dict[str, Any] | None:
    try:
        feedback = message.feedback
    except Feedback.DoesNotExist:
        return None
    return {
        "rating": feedback.rating,
        "reason": feedback.reason,
        "comment": feedback.comment,
        "created_at": feedback.created_at,
    }


def describe_file(file: StoredFile) -> dict[str, Any]:
    """Without its bytes, which are `data` in base64, or a file of the archive that `path` names."""
    return {
        "id": file.pk,
        "sha256": file.sha256,
        "name": file.name,
        "media_type": file.media_type,
        "size_bytes": file.size_bytes,
        "created_at": file.created_at,
    }


def path_in_archive(file: StoredFile) -> str:
    """By its id: names may be anything, and the same."""
    ending = mimetypes.guess_extension(file.media_type) or ""
    return f"files/{file.pk}{ending}"
