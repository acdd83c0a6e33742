"""By what a repeated request is told from another one that has the same client_message_id."""

from __future__ import annotations

import hashlib

import msgspec

from chat.message_schemas import ChatMessage
from chat.schemas import SAMPLING_FIELDS, ChatRequest
from conversations.repeats import CONTINUES, STARTS
from modelops.serving.routes import CURRENT


def digest_request(request: ChatRequest) -> str:
    """A digest of all that decides what is asked: the text, where it stands, the model and the sampling.

    How the answer is sent (`stream`, `on_disconnect`), and what becomes of a prompt that is too long
    (`truncation`), are left out: a client may change that when it tries again. Which conversation is asked in
    is compared apart: the first answer may have said which it became.
    """
    asked = [
        request.model or CURRENT,
        [_said_by(message) for message in request.messages or ()],
        request.content,
        request.parent_id,
        *(getattr(request, name) for name in SAMPLING_FIELDS),
    ]
    more = [request.file_ids, request.tools, request.tool_choice]
    if any(more):  # else the digest is that of before there were files and tools
        asked += more
    where = STARTS if request.conversation_id is None else CONTINUES
    return where + hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


def _said_by(message: ChatMessage) -> tuple[object, ...]:
    said = (message.role, message.content)
    return said if message.is_plain else (*said, message.tool_calls, message.tool_call_id)
