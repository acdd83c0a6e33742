"""The `parts` of messages that are more than a text, as rows hold them.

A list of objects: {"type": "text", "length"}, {"type": "image", "file_id"} or {"type": "document",
"file_id", "name"}. The message's `content` holds all its texts with TEXT_GAP between them: a text part is its
next `length` characters.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

Part = dict[str, Any]

TEXT_GAP = "\n\n"


def cut_texts(content: str, parts: Sequence[Part]) -> Iterator[tuple[Part, str]]:
    """Each part, with its text if it is one."""
    start = 0
    for part in parts:
        if part["type"] != "text":
            yield part, ""
            continue
        end = start + part["length"]
        yield part, content[start:end]
        start = end + len(TEXT_GAP)


def file_ids_in(parts: Sequence[Part] | None) -> list[uuid.UUID]:
    """The files that these parts refer to, in their order, as often as they do."""
    return [uuid.UUID(part["file_id"]) for part in parts or () if "file_id" in part]


def replace_text(parts: Sequence[Part] | None, text: str) -> list[Part] | None:
    """The parts with this text in place of all of theirs, where the first one was, or first."""
    if parts is None:
        return None
    place = next((n for n, part in enumerate(parts) if part["type"] == "text"), 0)
    files_before, files_after = (
        [part for part in some if part["type"] != "text"] for some in (parts[:place], parts[place:])
    )
    return [*files_before, {"type": "text", "length": len(text)}, *files_after]
