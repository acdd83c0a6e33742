"""What an answer took, for the limits: what the engine says, or a guess where it did not get to say it."""

from __future__ import annotations

from accounts.limits.limiter import Spent
from chat.generation import Generation, GenerationStopped

BYTES_PER_TOKEN = 4
MAX_GUESSED_PROMPT_TOKENS = 16_384
"""A guess stays a small one: images travel as megabytes of text."""
MAX_TOKENS = 2**31


def spent_by(generation: Generation, ended_by: BaseException | None) -> Spent:
    """The tokens of prompt and answer. Without the engine's own count both are guessed.

    That happens to answers that were stopped or broken off. Nothing is charged for what no engine began.
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
    """Whatever an engine says: a count."""
    return max(0, min(tokens or 0, MAX_TOKENS))
