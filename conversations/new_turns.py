"""Turns that are to begin, and what becomes of them.

Structs of msgspec: every request makes and copies them, which frozen dataclasses do field by field in Python.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from conversations.branches import Extra, Prompt
from conversations.known_messages import KnownMessage
from conversations.models import Message, MessageRole
from conversations.prompt_sizes import TurnLimits, count_bytes
from conversations.prompt_sources import PromptSource
from conversations.repeats import RepeatKey
from gateway.ids import new_id

TITLE_LENGTH = 60
NO_LIMITS = TurnLimits()


class NewMessage(msgspec.Struct, frozen=True):
    role: MessageRole
    content: str
    extra: Extra | None = None
    file_name: str = ""
    """Of the first file beside it, by which a conversation is called that begins without words."""

    @property
    def size_bytes(self) -> int:
        size_bytes = count_bytes(self.content)
        if self.extra is not None:
            size_bytes += len(msgspec.json.encode(self.extra))
        return size_bytes


class PreparedPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """The prompt of a turn that is too large for a batch, as `prepare_turns` found it."""

    end_id: uuid.UUID | None
    """The message that its branch ended in."""
    prompt: Prompt
    size_bytes: int
    """Of its texts, those of documents included."""
    largest_file: str = ""
    """The document whose text is the longest, in words."""
    source: PromptSource | None = None
    """What it was made of, where the oldest turns may be left out."""
    omitted_messages: int = 0
    """Messages of the branch that it leaves out."""


class TurnIds(msgspec.Struct, frozen=True):
    """The ids of the rows of a turn, in the order of their making."""

    conversation_id: uuid.UUID
    """Of the conversation, if the turn starts it."""
    message_ids: tuple[uuid.UUID, ...]
    answer_id: uuid.UUID

    @classmethod
    def make(cls, messages: int) -> TurnIds:
        return cls(new_id(), tuple(new_id() for _ in range(messages)), new_id())


class NewTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn to begin. Without `conversation_id` a new conversation is created."""

    owner_id: uuid.UUID
    messages: tuple[NewMessage, ...]
    model: str
    conversation_id: uuid.UUID | None = None
    parent_id: uuid.UUID | None = None
    regenerates: uuid.UUID | None = None
    """An answer that gets another one beside it, or a question that is answered; then nothing is said."""
    continues: uuid.UUID | None = None
    """An answer that was cut, to be gone on with; then nothing is said."""
    system_prompt: str = ""
    """Of the new conversation; an existing one keeps its own."""
    client_message_id: str | None = None
    request_digest: str = ""
    may_read: bool = True
    """Whether the credential may reach what is stored; see RepeatKey."""
    request_id: str = ""
    lease_s: float = 30.0
    limits: TurnLimits = NO_LIMITS
    prepared: PreparedPrompt | None = None
    name_media: Callable[[str], str] | None = None
    """Makes of an image's hash the id by which the engine caches it; None: it goes by the content."""
    ids: TurnIds | None = None
    """Where somebody has to know them before the turn is stored."""

    @property
    def starts_alone(self) -> bool:
        """Whether it depends on nothing that is stored: a new conversation, and no repeat of a message."""
        return self.conversation_id is None and self.parent_id is None and self.client_message_id is None

    @property
    def known_id(self) -> uuid.UUID | None:
        return self.regenerates or self.continues

    @property
    def new_rows(self) -> int:
        return len(self.messages) + (self.continues is None)

    @property
    def has_parts(self) -> bool:
        """Whether its prompt has to load files, whatever came before it."""
        return any(message.extra is not None and message.extra.parts for message in self.messages)

    @property
    def size_bytes(self) -> int:
        """The text that it adds to what is stored."""
        said = sum(message.size_bytes for message in self.messages)
        return said if self.conversation_id else said + count_bytes(self.system_prompt)

    @property
    def newest_bytes(self) -> int:
        """The text that its prompt holds at least, whatever is left out."""
        return count_bytes(self.messages[-1].content) if self.messages else 0

    @property
    def repeat_key(self) -> RepeatKey | None:
        if self.client_message_id is None:
            return None
        return RepeatKey(
            owner_id=self.owner_id,
            client_message_id=self.client_message_id,
            request_digest=self.request_digest,
            conversation_id=self.conversation_id,
            may_read=self.may_read,
        )


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A stored turn: the prompt for the engine, and the row of the answer."""

    conversation_id: uuid.UUID
    message_id: uuid.UUID
    prompt: Prompt
    replay: Message | None = None
    """The stored answer to a message that was answered before; then nothing has to be generated."""
    omitted_messages: int = 0
    """Messages of the branch that the prompt leaves out, as they do not fit."""
    continued: KnownMessage | None = None
    """The answer as it was, where it goes on."""


@dataclass(frozen=True)
class LargeTurn:
    """Nothing was recorded: the turn is too large for a batch, or to be counted. `prepare_turns` is next."""


def make_title(messages: Sequence[NewMessage]) -> str:
    """The first line that the user wrote, or the file that came without words.

    Cut at a word to TITLE_LENGTH characters.
    """
    first = next((m.content or m.file_name for m in messages if m.role == MessageRole.USER), "")
    line = " ".join(first.split())
    if len(line) <= TITLE_LENGTH:
        return line
    cut = line[:TITLE_LENGTH]
    return (cut.rpartition(" ")[0] or cut) + "…"
