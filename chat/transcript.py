"""An answer, folded together from the pieces in which the engine streams it."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from conversations.models import REFUSAL

FAILED_REASONS = frozenset({"error", "abort"})
"""A finish_reason of these says that the engine gave up, and not that the answer is complete."""


class Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    """What engines before 0.11 call `reasoning`."""
    tool_calls: list[dict[str, Any]] | None = None
    refusal: str | None = None

    @property
    def carries_something(self) -> bool:
        return bool(
            self.content or self.reasoning or self.reasoning_content or self.tool_calls or self.refusal
        )


class Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: Delta | None = None
    text: str | None = None
    """In place of `delta`, in the older completions API."""
    finish_reason: str | None = None

    @property
    def carries_something(self) -> bool:
        return bool(self.text) if self.delta is None else self.delta.carries_something


class Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Chunk(msgspec.Struct, gc=False):
    """One streamed piece, as far as the gateway reads it."""

    id: str = ""
    choices: list[Choice] = []
    usage: Usage | None = None
    error: Any = None


decode_chunk = msgspec.json.Decoder(Chunk).decode


class Transcript:
    """The answer so far. Only the first choice is kept as text; all are counted."""

    __slots__ = (
        "_content",
        "_earlier_bytes",
        "_reasoning",
        "_tool_calls",
        "content_chars",
        "finish_reason",
        "has_failed",
        "id",
        "is_unfinished",
        "pieces",
        "prompt_tokens",
        "reasoning_chars",
        "side_pieces",
        "usage",
    )

    def __init__(self, content: str = "", reasoning: str = "") -> None:
        """`content` and `reasoning` are what was said before, of an answer that goes on."""
        self.id = ""
        self.finish_reason = ""
        self.usage: Usage | None = None
        self.prompt_tokens: int | None = None
        """Where the engine tells them at the beginning, as some streams do; `usage` comes at the end."""
        self.has_failed = False
        """The engine gave a choice up, and said so by its finish_reason."""
        self.is_unfinished = False
        """The engine ended the answer without a finish_reason."""
        self.pieces = 0
        """Pieces that carried something; vLLM sends a token in each, so this estimates the tokens."""
        self.side_pieces = 0
        """Those of reasoning and tool calls."""
        self.content_chars = len(content)
        self.reasoning_chars = len(reasoning)
        self._content = [content] if content else []
        self._reasoning = [reasoning] if reasoning else []
        self._earlier_bytes = self._whole_bytes if content or reasoning else 0
        self._tool_calls: dict[int, dict[str, Any]] = {}

    def add(self, chunk: Chunk) -> None:
        if chunk.usage is not None:
            self.usage = chunk.usage
        if not self.id:
            self.id = _well_formed(chunk.id)
        for choice in chunk.choices:
            if choice.index:
                self.pieces += choice.carries_something
                if choice.finish_reason in FAILED_REASONS:
                    self.has_failed = True
                continue
            delta = choice.delta
            if content := choice.text if delta is None else delta.content:
                self._content.append(content)
                self.content_chars += len(content)
                self.pieces += 1
            if delta is not None and (
                delta.reasoning or delta.reasoning_content or delta.tool_calls or delta.refusal
            ):
                self._add_beside(delta)
            if choice.finish_reason:
                self.has_failed = self.has_failed or choice.finish_reason in FAILED_REASONS
                if self.finish_reason != REFUSAL:
                    self.finish_reason = _well_formed(choice.finish_reason)

    def _add_beside(self, delta: Delta) -> None:
        """What few pieces carry: reasoning, calls of tools, a refusal."""
        if reasoning := delta.reasoning or delta.reasoning_content:
            self._reasoning.append(reasoning)
            self.reasoning_chars += len(reasoning)
            self.pieces += 1
            self.side_pieces += 1
        if delta.tool_calls:
            self.pieces += 1
            self.side_pieces += 1
            for call in delta.tool_calls:
                self._add_tool_call(call)
        if delta.refusal:
            self._content.append(delta.refusal)
            self.content_chars += len(delta.refusal)
            self.pieces += 1
            self.finish_reason = REFUSAL

    def _add_tool_call(self, piece: dict[str, Any]) -> None:
        """The first piece of a call names it, the later ones append to its arguments."""
        known = self._tool_calls.setdefault(
            self._index_of(piece), {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        known["id"] = known["id"] or json_text(piece.get("id"))
        function = piece.get("function")
        if isinstance(function, dict):
            known["function"]["name"] += json_text(function.get("name"))
            known["function"]["arguments"] += json_text(function.get("arguments"))

    def _index_of(self, piece: dict[str, Any]) -> int:
        """The call that the piece belongs to; without a usable index, an id begins another call."""
        index = piece.get("index")
        if type(index) is int:
            return index
        if not self._tool_calls:
            return 0
        return max(self._tool_calls) + bool(piece.get("id"))

    @property
    def content(self) -> str:
        return _well_formed(_joined(self._content))

    @property
    def text_bytes(self) -> int:
        """The size of the first choice's text and reasoning, without what was said before."""
        return self._whole_bytes - self._earlier_bytes

    @property
    def _whole_bytes(self) -> int:
        return len(self.content.encode()) + len(self.reasoning.encode())

    @property
    def reasoning(self) -> str:
        return _well_formed(_joined(self._reasoning))

    @property
    def tool_calls(self) -> list[dict[str, Any]] | None:
        return [_well_formed_call(self._tool_calls[index]) for index in sorted(self._tool_calls)] or None

    def recount(self) -> None:
        """Count characters again, after pieces that may hold halves of one."""
        self.content_chars, self.reasoning_chars = len(self.content), len(self.reasoning)

    def call_sizes(self) -> list[tuple[int, int]]:
        """The lengths of name and arguments of each tool call, in characters."""
        functions = (self._tool_calls[index]["function"] for index in sorted(self._tool_calls))
        return [(len(function["name"]), len(function["arguments"])) for function in functions]


def json_text(value: Any) -> str:
    """A text as it is, nothing for null, and the JSON of anything else."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _well_formed_call(call: dict[str, Any]) -> dict[str, Any]:
    function = {name: _well_formed(text) for name, text in call["function"].items()}
    return {**call, "id": _well_formed(call["id"]), "function": function}


def _well_formed(text: str) -> str:
    """The text with the halves of a character joined that came in two pieces, and U+FFFD for a lone half."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _joined(pieces: list[str]) -> str:
    """The pieces as one string, which replaces them: a long answer is not kept as thousands of objects."""
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""
