"""Conversations of any format, as readers of files make them and the importer stores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class UnreadableItem(Exception):
    """An item of a file that is no conversation of its format; the text says why, for its owner."""


@dataclass(frozen=True, kw_only=True)
class FileReference:
    """A file of a message. At most one of the places where its bytes are is given; none: they are missing."""

    name: str = ""
    data_url: str = ""
    key: str = ""
    """An id of the same export, or how the file's name in the archive begins."""


@dataclass(frozen=True, kw_only=True)
class ImportedFeedback:
    rating: int
    reason: str = ""
    comment: str = ""
    created_at: datetime | None = None


@dataclass(kw_only=True)
class ImportedMessage:
    """`columns` are those of the row that need no thought, by their names."""

    id: str
    parent_id: str | None
    role: str
    pieces: Sequence[str | FileReference] = ()
    created_at: datetime | None = None
    tool_calls: list[dict[str, Any]] | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    feedback: ImportedFeedback | None = None


@dataclass(kw_only=True)
class ImportedConversation:
    """Messages in the order that they are to have; one whose parent is not among them begins a branch."""

    key: str
    """Of its source: what has the same one is the same conversation."""
    own_id: str = ""
    """Of an export of this product: the conversation that it was made of, which may be here still."""
    title: str = ""
    title_source: str = ""
    folder: str = ""
    head_id: str | None = None
    messages: list[ImportedMessage] = field(default_factory=list)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    columns: dict[str, Any] = field(default_factory=dict)
