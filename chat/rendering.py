"""The JSON of `/api/chat`: ids in the first event, the whole answer, and the repeat of a stored one."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from starlette.responses import Response

from chat.client import Headers
from chat.continuation import tokens_of
from chat.positions import AnswerText, end_of, id_line, tag_of
from chat.responses import CollectedAnswer
from chat.sse import DONE, EVENT_STREAM_HEADERS, data_event
from chat.transcript import Usage
from conversations.known_messages import KnownMessage
from conversations.models import REFUSAL, Message, MessageStatus
from conversations.new_turns import Turn
from conversations.stored_answers import StoredAnswer
from gateway.request_id import current_request_id

# The first object in the data of an event, whatever stands before it, and its end if it is empty.
_first_object = re.compile(rb"^data:\s*\{(?P<end>\s*\})?", re.MULTILINE)


def introduce_ids(turn: Turn, block: bytes) -> bytes:
    """The stream's first bytes with the ids of conversation and message added to the first event."""
    ids = f'"conversation_id":"{turn.conversation_id}","message_id":"{turn.message_id}"'.encode()
    found = _first_object.search(block)
    if found is None:
        return block
    place = found.start("end") if found["end"] is not None else found.end()
    return block[:place] + ids + (b"" if found["end"] else b",") + block[place:]


def render_answer(turn: Turn | None, omitted_messages: int, answer: CollectedAnswer) -> dict[str, Any]:
    """The body of POST /api/chat without `stream`."""
    transcript = answer.generation.transcript
    continued = answer.generation.continued
    usage = _usage_of(transcript.usage, continued)
    is_cancelled = answer.ended_by is not None
    return _answer(
        turn,
        answer_id=transcript.id,
        model=answer.generation.model,
        content=transcript.content,
        reasoning=transcript.reasoning,
        tool_calls=transcript.tool_calls,
        finish_reason="cancelled" if is_cancelled else transcript.finish_reason or None,
        usage=usage,
        omitted_messages=omitted_messages,
    )


def _usage_of(usage: Usage | None, continued: KnownMessage | None) -> dict[str, int] | None:
    """The engine's count, of all requests where the answer went on."""
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    if continued is not None:
        prompt, completion = prompt + (continued.prompt_tokens or 0), completion + tokens_of(continued)
    return _usage(prompt, completion)


def replay_answer(turn: Turn, headers: Headers, *, is_stream: bool) -> Response:
    """The stored answer to a repeated client_message_id, in the form that was asked for."""
    stored = turn.replay
    if stored is None:
        raise ValueError("this turn has no stored answer")
    usage = usage_in(stored)
    is_cancelled = stored.status == MessageStatus.CANCELLED
    finish_reason = "cancelled" if is_cancelled else stored.finish_reason or None
    message = _message(stored.content, stored.reasoning, stored.tool_calls, finish_reason)
    if is_stream:
        chunk = {
            "conversation_id": turn.conversation_id,
            "message_id": turn.message_id,
            "id": f"chatcmpl-{stored.id.hex}",
            "object": "chat.completion.chunk",
            "created": int(stored.created_at.timestamp()),
            "model": stored.model,
            "choices": [{"index": 0, "delta": message, "finish_reason": finish_reason}],
            "usage": usage,
        }
        event_id = id_line(tag_of(stored.id, stored.request_id), end_of(AnswerText.of_row(stored)))
        return _respond(event_id + data_event(chunk) + DONE, [*EVENT_STREAM_HEADERS, *headers])
    content = _answer(
        turn,
        answer_id=f"chatcmpl-{stored.id.hex}",
        model=stored.model,
        content=stored.content,
        reasoning=stored.reasoning,
        tool_calls=stored.tool_calls,
        finish_reason=finish_reason,
        usage=usage,
        omitted_messages=stored.omitted_messages,
    )
    return _respond(msgspec.json.encode(content), [(b"content-type", b"application/json"), *headers])


def usage_in(stored: Message | StoredAnswer) -> dict[str, int] | None:
    """The usage that is stored; None for an answer whose tokens nobody counted."""
    if stored.completion_tokens is None:
        return None
    return _usage(stored.prompt_tokens or 0, stored.completion_tokens)


def _respond(body: bytes, headers: Headers) -> Response:
    response = Response(body)
    response.raw_headers = [(b"content-length", str(len(body)).encode()), *headers]
    return response


def _answer(
    turn: Turn | None,
    *,
    answer_id: str,
    model: str,
    finish_reason: str | None,
    usage: Any,
    omitted_messages: int,
    **said: Any,
) -> dict[str, Any]:
    return {
        "id": answer_id,
        "conversation_id": turn.conversation_id if turn else None,
        "message_id": turn.message_id if turn else None,
        "model": model,
        "message": _message(said["content"], said["reasoning"], said["tool_calls"], finish_reason),
        "finish_reason": finish_reason,
        "usage": usage,
        "omitted_messages": omitted_messages,
        "request_id": current_request_id.get(),
    }


def _message(content: str, reasoning: str, tool_calls: Any, finish_reason: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if finish_reason == REFUSAL:
        message["refusal"] = content
    if reasoning:
        message["reasoning"] = reasoning
    if tool_calls:
        message["tool_calls"] = tool_calls
    return message


def _usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
