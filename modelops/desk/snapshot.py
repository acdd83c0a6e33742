"""The desk at one moment, as named parts of JSON that are encoded once for all who follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

LANGUAGES = ("en", "ko")
TROUBLE = b'{"type":"trouble","code":"database_unavailable"}'
"""What a replica says that cannot read the database: the desks keep what they have, and say how old it is."""

Known = Mapping[str, bytes]
"""The parts that a desk has been sent, encoded."""


@dataclass(frozen=True)
class DeskSnapshot:
    """Each part encoded. `by_language` are those that hold sentences, by part and then by language."""

    parts: Mapping[str, bytes]
    by_language: Mapping[str, Mapping[str, bytes]]

    def select(self, language: str) -> Known:
        """Every part, in the language; English where the desk has none of it."""
        said = {name: texts.get(language, texts["en"]) for name, texts in self.by_language.items()}
        return {**self.parts, **said}


def encode_part(content: Any) -> bytes:
    return msgspec.json.encode(content)


def write_message(parts: Known, known: Known) -> bytes | None:
    """The parts that are other than those known, as one message; None where nothing is new."""
    changed = [name for name, content in parts.items() if known.get(name) != content]
    if not changed:
        return None
    body = b",".join(b'"%b":%b' % (name.encode(), parts[name]) for name in changed)
    return b'{"type":"desk","parts":{%b}}' % body
