"""The tokens that an answer used, for the limits: the engine's count, or an estimate without one."""

from __future__ import annotations

from accounts.limits.limiter import Spent
from chat.generation import Generation, GenerationStopped

BYTES_PER_TOKEN = 4
MAX_GUESSED_PROMPT_TOKENS = 16_384
"""Bounds the estimate, because images are megabytes of text."""
MAX_TOKENS = 2**31


def spent_by(generation: Generation, ended_by: BaseException | None) -> Spent:
    """The tokens of prompt and answer. Both are estimated for an answer that ended before the engine's count.

    An answer that failed before its first token costs nothing.
    """
    usage = generation.transcript.usage
    if usage is not None:
        return Spent(_bounded(usage.prompt_tokens), _bounded(usage.completion_tokens))
    pieces = generation.transcript.pieces
    if not pieces and not isinstance(ended_by, GenerationStopped):
        return Spent()
    prompt = min(generation.sent_bytes // BYTES_PER_TOKEN, MAX_GUESSED_PROMPT_TOKENS)
    return Spent(prompt, pieces, is_estimated=True)


def _bounded(tokens: int | None) -> int:
    """The engine's count, brought into a range that the limits can add up."""
    return max(0, min(tokens or 0, MAX_TOKENS))
