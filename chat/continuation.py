"""The outcome of an answer that went on: what it was before, and what was added."""

from __future__ import annotations

from dataclasses import replace

from chat.generation import BYTES_PER_TOKEN
from conversations.known_messages import KnownMessage
from conversations.models import MessageStatus, UsageSource
from conversations.replies import ReplyOutcome


def outcome_before(known: KnownMessage, *, request_id: str) -> ReplyOutcome:
    """The answer as it was: going on with it failed, or was stopped, before anything was added."""
    return ReplyOutcome(
        message_id=known.id,
        request_id=request_id,
        status=MessageStatus(known.status),
        content=known.content,
        reasoning=known.reasoning,
        error_code=known.error_code,
        error_message=known.error_message,
        model=known.model,
        finish_reason=known.finish_reason,
        prompt_tokens=known.prompt_tokens,
        completion_tokens=known.completion_tokens,
        usage_source=known.usage_source,
        ttft_ms=known.ttft_ms,
        latency_ms=known.latency_ms,
    )


def add_up(known: KnownMessage, added: ReplyOutcome) -> ReplyOutcome:
    """The outcome of the whole answer, whose text `added` holds already.

    Tokens and latency are those of all its requests, the time to the first token that of the first one.
    """
    is_counted = known.usage_source == added.usage_source == UsageSource.ENGINE
    return replace(
        added,
        prompt_tokens=sum_of(known.prompt_tokens, added.prompt_tokens),
        completion_tokens=tokens_of(known) + (added.completion_tokens or 0),
        usage_source=UsageSource.ENGINE if is_counted else UsageSource.ESTIMATED,
        ttft_ms=known.ttft_ms,
        latency_ms=sum_of(known.latency_ms, added.latency_ms),
    )


def tokens_of(known: KnownMessage) -> int:
    """What the answer had by then; estimated where its process died before it was counted."""
    if known.completion_tokens is not None:
        return known.completion_tokens
    return known.size_bytes // BYTES_PER_TOKEN


def sum_of(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)
