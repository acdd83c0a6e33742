"""An answer, folded together from the pieces in which the engine streams it."""

from __future__ import annotations

from typing import Any

import msgspec


class Delta(msgspec.Struct):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    """What engines before 0.11 call `reasoning`."""
    tool_calls: list[dict[str, Any]] | None = None


class Choice(msgspec.Struct):
    index: int = 0
    delta: Delta | None = None
    text: str | None = None
    """In place of `delta`, in the older completions API."""
    finish_reason: str | None = None

    @property
    def carries_something(self) -> bool:
        delta = self.delta
        if delta is None:
            return bool(self.text)
        return bool(delta.content or delta.reasoning or delta.reasoning_content or delta.tool_calls)


class Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Chunk(msgspec.Struct):
    """One streamed piece, as far as the gateway reads it."""

    id: str = ""
    choices: list[Choice] = []
    usage: Usage | None = None
    error: Any = None


decode_chunk = msgspec.json.Decoder(Chunk).decode


class Transcript:
    """The answer so far. Only the first choice is kept as text; all are counted."""

    __slots__ = ("_content", "_reasoning", "_tool_calls", "finish_reason", "id", "pieces", "usage")

    def __init__(self) -> None:
        self.id = ""
        self.finish_reason = ""
        self.usage: Usage | None = None
        self.pieces = 0
        """Pieces that carried something; vLLM sends a token in each, so this estimates the tokens."""
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._tool_calls: dict[int, dict[str, Any]] = {}

    def add(self, chunk: Chunk) -> None:
        if chunk.usage is not None:
            self.usage = chunk.usage
        if not self.id:
            self.id = chunk.id
        for choice in chunk.choices:
            if choice.index == 0:
                self._add_choice(choice)
            elif choice.carries_something:
                self.pieces += 1

    def _add_choice(self, choice: Choice) -> None:
        delta = choice.delta
        if delta is not None:
            if delta.content:
                self._content.append(delta.content)
                self.pieces += 1
            if reasoning := delta.reasoning or delta.reasoning_content:
                self._reasoning.append(reasoning)
                self.pieces += 1
            if delta.tool_calls:
                self.pieces += 1
                for call in delta.tool_calls:
                    self._add_tool_call(call)
        elif choice.text:
            self._content.append(choice.text)
            self.pieces += 1
        if choice.finish_reason:
            self.finish_reason = choice.finish_reason

    def _add_tool_call(self, piece: dict[str, Any]) -> None:
        """The first piece of a call names it, the later ones append to its arguments."""
        index = piece.get("index", 0)
        if not isinstance(index, int):
            return
        known = self._tool_calls.setdefault(
            index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        known["id"] = known["id"] or piece.get("id") or ""
        function = piece.get("function") or {}
        known["function"]["name"] += function.get("name") or ""
        known["function"]["arguments"] += function.get("arguments") or ""

    @property
    def content(self) -> str:
        return _joined(self._content)

    @property
    def reasoning(self) -> str:
        return _joined(self._reasoning)

    @property
    def tool_calls(self) -> list[dict[str, Any]] | None:
        return [self._tool_calls[index] for index in sorted(self._tool_calls)] or None


def _joined(pieces: list[str]) -> str:
    """The pieces as one string, which replaces them: a long answer is not kept as thousands of objects."""
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""
