"""What a request to /api/chat says, as messages of a conversation."""

from __future__ import annotations

import uuid

import msgspec

from accounts.principals import Principal
from accounts.scopes import Scope
from chat.message_schemas import ChatMessage, ContentPart, ImagePart, ImageUrlPart, TextPart
from chat.schemas import ChatRequest
from conversations.branches import Extra
from conversations.files.attaching import GivenMessages, GivenPart
from conversations.models import FileKind, MessageRole
from conversations.new_turns import NewMessage


def read_said(body: ChatRequest, principal: Principal) -> tuple[str, GivenMessages]:
    """The system prompt and the messages after it; files in them are still to be attached.

    Raises PermissionDenied where a stored file is named without the scope HISTORY: an answer may repeat it.
    """
    messages = body.messages or []
    has_system = bool(messages) and messages[0].role == "system"
    system_prompt = principal.default_system_prompt if body.messages is None else ""
    if has_system and isinstance(messages[0].content, str):
        system_prompt = messages[0].content
    if body.messages is None:
        content = body.content or ""
        said: tuple[NewMessage, ...] = (NewMessage(MessageRole.USER, content),)
        parts = {0: _parts_beside(content, body.file_ids)} if body.file_ids else {}
    else:
        said = tuple(_read_message(message) for message in messages[has_system:])
        parts = {
            place: [_read_part(part, f"{_path_of(place + has_system)}[{n}]") for n, part in enumerate(given)]
            for place, message in enumerate(messages[has_system:])
            if isinstance(given := message.content, list)
        }
    if any(part.file_id is not None for given in parts.values() for part in given):
        principal.require(Scope.HISTORY)
    return system_prompt, GivenMessages(
        owner_id=principal.user_id, messages=said, parts=parts, store=body.store
    )


def _path_of(place: int) -> str:
    return f"messages[{place}].content"


def _parts_beside(content: str, file_ids: list[uuid.UUID]) -> list[GivenPart]:
    """Files come before what is said about them, if anything is."""
    files = [GivenPart(path=f"file_ids[{n}]", file_id=file_id) for n, file_id in enumerate(file_ids)]
    return [*files, GivenPart(path="content", text=content)] if content else files


def _read_message(message: ChatMessage) -> NewMessage:
    content = message.content if isinstance(message.content, str) else ""
    if message.is_plain:
        return NewMessage(MessageRole(message.role), content)
    calls = None if message.tool_calls is None else msgspec.to_builtins(message.tool_calls)
    extra = Extra(tool_calls=calls, tool_call_id=message.tool_call_id or "")
    return NewMessage(MessageRole(message.role), content, extra)


def _read_part(part: ContentPart, path: str) -> GivenPart:
    if isinstance(part, TextPart):
        return GivenPart(path=f"{path}.text", text=part.text)
    if isinstance(part, ImageUrlPart):
        return GivenPart(path=f"{path}.image_url.url", url=part.image_url.url)
    kind = FileKind.IMAGE if isinstance(part, ImagePart) else None
    return GivenPart(path=f"{path}.file_id", file_id=part.file_id, kind=kind)
