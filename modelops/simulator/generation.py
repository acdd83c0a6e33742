"""From a request to the exact tokens that its answer will consist of."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from modelops.simulator import tokenizer
from modelops.simulator.errors import context_overflow, invalid_value
from modelops.simulator.replies import Reply
from modelops.simulator.sampling import Sampling
from modelops.simulator.tools import ToolPlan


class DeltaField(StrEnum):
    """Which field of the message a token belongs to."""

    CONTENT = "content"
    REASONING = "reasoning"
    TOOL_NAME = "tool_name"
    TOOL_ARGUMENTS = "tool_arguments"


@dataclass(frozen=True, slots=True)
class GeneratedToken:
    """One generated token; its text may be empty (end of text, or swallowed by a stop string).

    Of a token that belongs to a call of a tool, `call` is that call's place among the choice's calls.
    """

    delta: DeltaField
    text: str
    call: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of one of the request's tools. Its place among the calls is `index`."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class GeneratedChoice:
    """One finished answer, known in full before its first token is sent."""

    index: int
    steps: tuple[GeneratedToken, ...]
    finish_reason: str
    stop_reason: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    has_free_calls: bool = False
    """Whether the model called the tools of its own accord."""
    has_tool_parser: bool = False
    """Whether a parser reads the calls, which decides how vLLM writes them in a stream."""

    def text(self, delta: DeltaField) -> str:
        """All text of one kind."""
        return "".join(step.text for step in self.steps if step.delta is delta)

    def arguments_of(self, call: ToolCall) -> str:
        """The arguments of one call, as JSON."""
        wanted = DeltaField.TOOL_ARGUMENTS
        return "".join(s.text for s in self.steps if s.delta is wanted and s.call == call.index)

    @property
    def reasoning_tokens(self) -> int:
        """How many of the tokens are reasoning."""
        return sum(step.delta is DeltaField.REASONING for step in self.steps)


def token_budget(*, prompt_tokens: int, max_model_len: int, max_tokens: int | None) -> int:
    """The most tokens that may be generated; raises ApiError 400 when the prompt does not fit."""
    if prompt_tokens > max_model_len:
        raise context_overflow(max_model_len=max_model_len, prompt_tokens=prompt_tokens)
    room = max_model_len - prompt_tokens
    if room == 0:
        raise invalid_value("max_tokens must be at least 1, got 0.", param="max_tokens", value=0)
    return room if max_tokens is None else min(room, max_tokens)


def generate_text(
    reply: Reply, *, index: int, sampling: Sampling, budget: int, with_reasoning: bool
) -> GeneratedChoice:
    """Cut ``reply`` to the budget and to the stop strings, or stretch it to ``min_tokens``."""
    reasoning = tokenizer.split(reply.reasoning) if with_reasoning else []
    content = tokenizer.split(reply.content)
    natural = len(reasoning) + len(content)
    wanted = budget if sampling.ignore_eos else min(sampling.min_tokens, budget)
    content += itertools.islice(reply.filler(), max(0, wanted - natural))
    steps = [GeneratedToken(DeltaField.REASONING, text) for text in reasoning]
    content, stop_reason = _apply_stop(content, sampling=sampling, offset=len(reasoning))
    steps += [GeneratedToken(DeltaField.CONTENT, text) for text in content]
    return _finish(steps, index=index, sampling=sampling, budget=budget, stop_reason=stop_reason)


def generate_json(text: str, *, index: int, sampling: Sampling, budget: int) -> GeneratedChoice:
    """A structured answer; stop strings do not apply."""
    steps = [GeneratedToken(DeltaField.CONTENT, piece) for piece in tokenizer.split(text)]
    return _finish(steps, index=index, sampling=sampling, budget=budget, stop_reason=None)


def generate_tool_calls(plan: ToolPlan, *, index: int, budget: int, reasoning: str = "") -> GeneratedChoice:
    """Calls of tools; vLLM ends a call of a named function with ``stop``, others with ``tool_calls``."""
    steps = [GeneratedToken(DeltaField.REASONING, piece) for piece in tokenizer.split(reasoning)]
    calls = []
    for number, planned in enumerate(plan.calls):
        calls.append(ToolCall(number, f"chatcmpl-tool-{uuid.uuid4().hex[:16]}", planned.name))
        steps.append(GeneratedToken(DeltaField.TOOL_NAME, planned.name, number))
        pieces = tokenizer.split(planned.arguments)
        steps += [GeneratedToken(DeltaField.TOOL_ARGUMENTS, piece, number) for piece in pieces]
    reason = "stop" if plan.is_named else "tool_calls"
    if len(steps) >= budget:
        steps, reason = steps[:budget], "length"
    else:
        steps.append(GeneratedToken(DeltaField.CONTENT, ""))
    begun = {step.call for step in steps if step.delta is DeltaField.TOOL_NAME}
    return GeneratedChoice(
        index=index,
        steps=tuple(steps),
        finish_reason=reason,
        tool_calls=tuple(call for call in calls if call.index in begun),
        has_free_calls=plan.is_auto,
        has_tool_parser=plan.has_parser,
    )


def _finish(
    steps: list[GeneratedToken], *, index: int, sampling: Sampling, budget: int, stop_reason: str | None
) -> GeneratedChoice:
    hold = 0 if sampling.include_stop else max(map(len, sampling.stop), default=1) - 1
    if len(steps) > budget or (stop_reason is None and len(steps) == budget):
        held = _hold_back(steps[:budget], chars=hold)
        return GeneratedChoice(index=index, steps=held, finish_reason="length")
    if stop_reason is None:
        steps = [*steps, GeneratedToken(DeltaField.CONTENT, "")]
    held = _hold_back(steps, chars=hold)
    return GeneratedChoice(index=index, steps=held, finish_reason="stop", stop_reason=stop_reason)


def _hold_back(steps: Sequence[GeneratedToken], *, chars: int) -> tuple[GeneratedToken, ...]:
    """Delay content by ``chars`` characters, which might yet become a stop string, as vLLM does.

    The same tokens leave at the same time, some of them with no text; the last one catches up.
    """
    if chars <= 0:
        return tuple(steps)
    held: list[GeneratedToken] = []
    waiting = ""
    for step in steps[:-1]:
        if step.delta is not DeltaField.CONTENT:
            held.append(step)
            continue
        waiting += step.text
        ready = max(0, len(waiting) - chars)
        held.append(GeneratedToken(DeltaField.CONTENT, waiting[:ready]))
        waiting = waiting[ready:]
    last = steps[-1]
    if last.delta is DeltaField.CONTENT:
        last = GeneratedToken(DeltaField.CONTENT, waiting + last.text)
    return (*held, last)


def _apply_stop(pieces: Sequence[str], *, sampling: Sampling, offset: int) -> tuple[list[str], str | None]:
    """Truncate at the first stop string that ends after ``min_tokens``.

    The tokens that spelled the stop string were generated and are counted, so they stay as empty
    pieces.
    """
    text = ""
    for number, piece in enumerate(pieces, start=1):
        searched_from = len(text)
        text += piece
        if number + offset <= sampling.min_tokens:
            continue
        for stop in sampling.stop:
            position = text.find(stop, max(0, searched_from - len(stop) + 1))
            if position >= 0:
                keep = position + len(stop) if sampling.include_stop else position
                return _truncate(pieces[:number], keep_chars=keep), stop
    return list(pieces), None


def _truncate(pieces: Sequence[str], *, keep_chars: int) -> list[str]:
    kept: list[str] = []
    for piece in pieces:
        kept.append(piece[: max(0, keep_chars)])
        keep_chars -= len(piece)
    return kept
