"""A second, patient reading of what the strict one refuses, so that odd JSON does not cost an answer.

Servers that speak OpenAI's protocol send numbers for texts, null for lists, halves of characters and
constants that JSON does not have. Only what the strict parse refused comes here: it is slower by far.
"""

from __future__ import annotations

import json
import re
from typing import Any

from chat.sse import event_name
from chat.transcript import Choice, Chunk, Delta, Usage, decode_chunk, json_text
from chat.upstream import error_in_answer
from gateway.bodies import NOT_JSON
from gateway.errors import UpstreamUnavailable
from gateway.wording import fill_in

NO_COMPLETION = fill_in("The engine sent what is no completion.")

# A text, which is left alone, or a constant that is no JSON outside of one.
_text_or_constant = re.compile(rb'"(?:[^"\\]++|\\.)*+"|-?\bInfinity\b|\bNaN\b', re.DOTALL)


def read_odd_event(event: bytes, payload: bytes) -> tuple[bytes, Chunk]:
    """The event as it is passed on, and what it says. `payload` is its data, which the strict parse refused.

    The event is changed only where it is no JSON for the client either. Raises UpstreamUnavailable for what
    is no chunk, and what an event of the type `error` means.
    """
    valid = null_constants(payload)
    if valid != payload:
        event = b"data: " + valid.replace(b"\n", b" ")
        try:
            return event, decode_chunk(valid)
        except NOT_JSON:
            pass
    content = read_loosely(valid)
    if event_name(event) == b"error":
        raise error_in_answer(valid.decode(errors="replace") if content is None else content)
    return event, _chunk_of(content)


def check_for_error(event: bytes, payload: bytes, chunk: Chunk) -> None:
    """Raise what the engine reports in place of a chunk, in any of the forms in which servers report it.

    For chunks without choices; those with usage are no errors.
    """
    if not chunk.error and chunk.usage is not None:
        return
    content = read_loosely(null_constants(payload))
    if chunk.error or is_error(content) or event_name(event) == b"error":
        raise error_in_answer(content)


def is_error(content: Any) -> bool:
    """True for an object that reports an error, under `error` or flat, as vLLM before 0.10 did."""
    if not isinstance(content, dict):
        return False
    if content.get("error") or content.get("object") == "error":
        return True
    return not content.get("choices") and (isinstance(content.get("message"), str) or "detail" in content)


def null_constants(payload: bytes) -> bytes:
    """JSON with null for `NaN` and `Infinity`, which Python writes and no other parser reads."""
    if b"NaN" not in payload and b"Infinity" not in payload:
        return payload
    return _text_or_constant.sub(lambda found: found[0] if found[0][:1] == b'"' else b"null", payload)


def read_loosely(payload: bytes) -> Any:
    """JSON with lone surrogates, control characters or bytes that are no UTF-8; None for what is no JSON."""
    try:
        return json.loads(payload.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError):  # ValueError also for an integer of thousands of digits
        return None


def _chunk_of(content: Any) -> Chunk:
    choices = content.get("choices") if isinstance(content, dict) else ()
    if choices is not None and not isinstance(choices, list):
        raise UpstreamUnavailable(NO_COMPLETION)
    return Chunk(
        id=text_of(content.get("id")) or "",
        choices=[_choice_of(choice) for choice in choices or () if isinstance(choice, dict)],
        usage=usage_of(content.get("usage")),
        error=content.get("error"),
    )


def _choice_of(content: dict[str, Any]) -> Choice:
    delta = content.get("delta")
    return Choice(
        index=_count_of(content.get("index")) or 0,
        delta=_delta_of(delta) if isinstance(delta, dict) else None,
        text=text_of(content.get("text")),
        finish_reason=text_of(content.get("finish_reason")),
    )


def _delta_of(content: dict[str, Any]) -> Delta:
    calls = content.get("tool_calls")
    return Delta(
        content=text_of(content.get("content")),
        reasoning=text_of(content.get("reasoning")),
        reasoning_content=text_of(content.get("reasoning_content")),
        refusal=text_of(content.get("refusal")),
        tool_calls=[
            call for call in (calls if isinstance(calls, list) else [calls]) if isinstance(call, dict)
        ],
    )


def text_of(value: Any) -> str | None:
    """The text of a value that should be one: of a list of content parts their texts, else its JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(text_of(part) or "" for part in value)
    if isinstance(value, dict) and "type" in value:  # a content part
        return text_of(value.get("text"))
    return json_text(value)


def usage_of(value: Any) -> Usage | None:
    if not isinstance(value, dict):
        return None
    return Usage(_count_of(value.get("prompt_tokens")), _count_of(value.get("completion_tokens")))


def _count_of(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
