"""The desk at one moment, as named parts of JSON that are encoded once for all who follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from django.conf import settings
from django.utils.translation import gettext, override

from gateway.wording import say_all

TROUBLE = b'{"type":"trouble","code":"not_read"}'
"""What a replica says that cannot read, as without a database: the desks keep what they have, and say how old
it is."""

Known = Mapping[str, bytes]
"""The parts that a desk has been sent, encoded."""


@dataclass(frozen=True)
class DeskSnapshot:
    """Every part, encoded in each language, by language and then by name."""

    parts: Mapping[str, Known]
    is_settled: bool = True
    """False while a switch is under way."""

    def select(self, language: str) -> Known:
        """Every part in the language; in English where the desk has none of it."""
        return self.parts.get(language, self.parts["en"])


class PartEncoder:
    """Encodes parts, those that have not changed only once. Not safe to use from several threads at once."""

    def __init__(self) -> None:
        self._contents: dict[str, Any] = {}
        self._encoded: dict[str, dict[str, bytes]] = {}

    def encode(self, contents: Mapping[str, Any]) -> dict[str, dict[str, bytes]]:
        languages = dict(settings.LANGUAGES)
        for name, content in contents.items():
            if name not in self._contents or self._contents[name] != content:
                self._contents[name] = content
                self._encoded[name] = {language: _encode(content, language) for language in languages}
        return {
            language: {name: self._encoded[name][language] for name in contents} for language in languages
        }


def _encode(content: Any, language: str) -> bytes:
    with override(language):
        return msgspec.json.encode(say_all(content, gettext))


def write_message(parts: Known, known: Known) -> bytes | None:
    """The parts that are other than those known, as one message; None where nothing is new."""
    changed = [name for name, content in parts.items() if known.get(name) != content]
    if not changed:
        return None
    body = b",".join(b'"%b":%b' % (name.encode(), parts[name]) for name in changed)
    return b'{"type":"desk","parts":{%b}}' % body
