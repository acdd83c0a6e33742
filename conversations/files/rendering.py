"""The parts of messages as clients read them: texts cut out, files with what is known of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from conversations.files.parts import cut_texts, file_ids_in
from conversations.models import Message, StoredFile

Files = Mapping[uuid.UUID, StoredFile]


def load_files_of(messages: Iterable[Message]) -> Files:
    """The files that these messages refer to, in one query, or none."""
    wanted = {id_: message.owner_id for message in messages for id_ in file_ids_in(message.parts)}
    if not wanted:
        return {}
    rows = StoredFile.objects.filter(owner_id__in=set(wanted.values()), pk__in=wanted).defer("text")
    return {row.pk: row for row in rows if row.owner_id == wanted[row.pk]}


def render_parts(message: Message, files: Files) -> list[dict[str, Any]] | None:
    """Null for a message that is a text and nothing else."""
    if message.parts is None:
        return None
    return [
        {"type": "text", "text": text} if part["type"] == "text" else _render_file(part, files)
        for part, text in cut_texts(message.content, message.parts)
    ]


def _render_file(part: dict[str, Any], files: Files) -> dict[str, Any]:
    """A file that is no longer there keeps its id, and the name that the message has of it."""
    row = files.get(uuid.UUID(part["file_id"]))
    return {
        "type": part["type"],
        "file_id": part["file_id"],
        "name": row.name if row else part.get("name", ""),
        "media_type": row.media_type if row else None,
        "size_bytes": row.size_bytes if row else None,
    }
