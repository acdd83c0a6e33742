"""In which form an answer comes from the engine and goes to the client: OpenAI's chats, or another one.

The bytes of the engine pass through whatever the form. A `Wire` says how they are read on the way, what ends
a good stream, and how a failure is told in the middle of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chat.content_headers import ContentHeaders
from chat.positions import EventIds
from chat.sse import DONE, error_event
from chat.stream_reading import StreamRead, StreamReader
from chat.transcript import Transcript
from chat.whole_answers import Completion, read_completion
from gateway.errors import GatewayError

Translate = Callable[[str], str] | None
"""Into the language of the client; None for English."""


class AnswerReader(Protocol):
    """Reads one stream of the engine's, and folds what it says into a transcript."""

    @property
    def last_event(self) -> bytes:
        """What the client gets last of a good answer, once its outcome is on record."""

    def read(self, data: bytes) -> StreamRead:
        """What the events say that `data` completes."""

    def finish(self) -> StreamRead:
        """What the last event says, of a stream that ends without the blank line after it."""


@dataclass(frozen=True, kw_only=True)
class Wire:
    """One form of answers."""

    make_reader: Callable[[Transcript, bool, EventIds | None], AnswerReader]
    """Of a stream. Its arguments: the transcript, whether the client gets the events of usage, and the ids of
    events, for those of stored chats."""
    read_whole: Callable[[bytes], Completion]
    """Of an answer that comes as one JSON document. Raises GatewayError."""
    say_error: Callable[[GatewayError, Translate], bytes]
    """The end of a stream that failed."""
    read_other: Callable[[bytes, ContentHeaders], Completion] | None = None
    """Of an answer that is no JSON; None where that is a failure."""


def _read_chat(transcript: Transcript, keep_usage: bool, ids: EventIds | None) -> AnswerReader:
    return StreamReader(transcript, keep_usage=keep_usage, ids=ids)


def _say_chat_error(error: GatewayError, translate: Translate) -> bytes:
    return error_event(error, translate) + DONE


CHAT_WIRE = Wire(make_reader=_read_chat, read_whole=read_completion, say_error=_say_chat_error)
"""OpenAI's chats and completions: nameless events, the last of which is `[DONE]`."""
