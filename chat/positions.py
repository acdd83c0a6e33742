"""Positions in an answer, which are the ids of its events: how much of it a client has by then.

An id is `tag.reasoning.content`, lengths in characters, and for each tool call `.name-arguments`. The tag
tells answers, and the requests that generate one, apart. What follows a position is a slice of the answer's
text, so any process that has the text can go on from any event (docs/adr/0016).
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

from chat.transcript import Transcript
from conversations.models import REFUSAL, Message
from conversations.stored_answers import StoredAnswer
from gateway.errors import InvalidRequest
from gateway.wording import fill_in

HEADER = "Last-Event-ID"

_event_id = re.compile(r"(?P<tag>[0-9a-f]{6})\.(\d{1,9})\.(\d{1,9})((?:\.\d{1,9}-\d{1,9}){0,512})", re.ASCII)


@dataclass(frozen=True, slots=True)
class AnswerText:
    """What an answer says so far."""

    content: str = ""
    reasoning: str = ""
    tool_calls: Sequence[dict[str, Any]] = ()
    is_refusal: bool = False
    """The content came as a refusal."""

    @classmethod
    def of(cls, transcript: Transcript) -> AnswerText:
        return cls(
            transcript.content,
            transcript.reasoning,
            transcript.tool_calls or (),
            is_refusal=transcript.finish_reason == REFUSAL,
        )

    @classmethod
    def of_row(cls, row: Message | StoredAnswer) -> AnswerText:
        return cls(row.content, row.reasoning, row.tool_calls or (), is_refusal=row.finish_reason == REFUSAL)


class Position(NamedTuple):
    """How much of an answer has been sent, in characters."""

    reasoning: int = 0
    content: int = 0
    calls: tuple[tuple[int, int], ...] = ()
    """The lengths of name and arguments of each tool call that has begun."""

    def later(self, other: Position) -> Position:
        """Of each part the longer one: what was sent stays sent, also where less of it is stored."""
        longest = zip_longest(self.calls, other.calls, fillvalue=(0, 0))
        calls = tuple((max(a, c), max(b, d)) for (a, b), (c, d) in longest)
        return Position(max(self.reasoning, other.reasoning), max(self.content, other.content), calls)

    def exceeds(self, said: AnswerText) -> bool:
        """Whether this lies beyond the end of what was said."""
        end = end_of(said)
        return (
            self.reasoning > end.reasoning
            or self.content > end.content
            or len(self.calls) > len(end.calls)
            or any(
                name > whole_name or arguments > whole
                for (name, arguments), (whole_name, whole) in zip(self.calls, end.calls, strict=False)
            )
        )


START = Position()
PIECE_CHARS = 4096


def end_of(said: AnswerText) -> Position:
    """The position at the end of what was said."""
    return Position(len(said.reasoning), len(said.content), tuple(_sizes(said.tool_calls)))


def _sizes(calls: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(len(call["function"]["name"]), len(call["function"]["arguments"])) for call in calls]


def rest_of(said: AnswerText, position: Position) -> dict[str, Any]:
    """The delta of a chunk with all that was said after `position`; empty for nothing."""
    delta: dict[str, Any] = {}
    if reasoning := said.reasoning[position.reasoning :]:
        delta["reasoning"] = reasoning
    if content := said.content[position.content :]:
        delta["refusal" if said.is_refusal else "content"] = content
    if calls := _rest_of_calls(said.tool_calls, position.calls):
        delta["tool_calls"] = calls
    return delta


def split_rest(said: AnswerText, position: Position) -> Iterator[tuple[dict[str, Any], Position]]:
    """The same in pieces that are not long, with the position after each.

    A client on a bad line gets on with each of them; one long piece would have to arrive as a whole.
    """
    rest = rest_of(said, position)
    for name, text in rest.items():
        if name == "tool_calls":
            position = position.later(Position(calls=end_of(said).calls))
            yield {name: text}, position
            continue
        for begun in range(0, len(text), PIECE_CHARS):
            piece = text[begun : begun + PIECE_CHARS]
            if name == "reasoning":
                position = position._replace(reasoning=position.reasoning + len(piece))
            else:
                position = position._replace(content=position.content + len(piece))
            yield {name: piece}, position


def _rest_of_calls(
    calls: Sequence[dict[str, Any]], sent: tuple[tuple[int, int], ...]
) -> list[dict[str, Any]]:
    rest: list[dict[str, Any]] = []
    for index, call in enumerate(calls):
        if index >= len(sent):
            rest.append({"index": index, **call})
            continue
        name, arguments = sent[index]
        function = {
            "name": call["function"]["name"][name:],
            "arguments": call["function"]["arguments"][arguments:],
        }
        if function := {key: text for key, text in function.items() if text}:
            rest.append({"index": index, "function": function})
    return rest


def tag_of(message_id: uuid.UUID, request_id: str) -> str:
    """What the ids of events begin with, of the answer `message_id` as that request generates it."""
    name = message_id.bytes + request_id.encode()
    return hashlib.blake2b(name, digest_size=3).hexdigest()


def id_line(tag: str, position: Position) -> bytes:
    """The line that gives an event its id."""
    calls = "".join(f".{name}-{arguments}" for name, arguments in position.calls)
    return f"id: {tag}.{position.reasoning}.{position.content}{calls}\n".encode()


def read_event_id(value: str | None, tag: str) -> Position | None:
    """The position that `Last-Event-ID` names; None without the header.

    Raises InvalidRequest for what is no id of this answer's events.
    """
    if value is None:
        return None
    found = _event_id.fullmatch(value)
    if found is None or found["tag"] != tag:
        raise InvalidRequest(
            fill_in("{header}: not the id of an event of this answer.", header=HEADER), param=HEADER
        )
    sizes = [call.split("-") for call in found[4].split(".")[1:]]
    calls = tuple((int(name), int(arguments)) for name, arguments in sizes)
    return Position(int(found[2]), int(found[3]), calls)


UNKNOWN = -1
LENGTHS = tuple(b"%d\n" % length for length in range(8192))
"""Written once: writing a number costs as much as all else that an event's id costs."""


class EventIds:
    """Numbers the events of one answer's stream by their positions, as the transcript takes them.

    As long as nothing but content is added, only its length changes.
    """

    __slots__ = ("_calls", "_head", "_side_pieces", "_tag", "_transcript", "_written")

    def __init__(self, tag: str, transcript: Transcript) -> None:
        """`transcript` may hold text already, of an answer that goes on."""
        self._tag = tag.encode()
        self._transcript = transcript
        self._count_side_pieces()

    def note_odd(self) -> None:
        """The next event may hold half a character, whose length only the whole text tells."""
        self._side_pieces = UNKNOWN

    def mark(self, event: bytes) -> bytes:
        """The event with its id. The transcript has taken it already."""
        transcript = self._transcript
        if transcript.side_pieces != self._side_pieces:
            if self._side_pieces == UNKNOWN:
                transcript.recount()
            self._count_side_pieces()
        length = transcript.content_chars
        if length < self._written:
            return b"".join((self._head, LENGTHS[length], event))
        return b"%b%d%b\n%b" % (self._head, length, self._calls, event)

    def _count_side_pieces(self) -> None:
        transcript = self._transcript
        self._side_pieces = transcript.side_pieces
        self._head = b"id: %b.%d." % (self._tag, transcript.reasoning_chars)
        self._calls = b"".join(b".%d-%d" % sizes for sizes in transcript.call_sizes())
        self._written = 0 if self._calls else len(LENGTHS)
