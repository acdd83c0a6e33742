"""A text that a regular expression matches, as far as expressions in schemas usually go.

Literals, classes, escapes, groups, alternatives and repeats are understood; look-around, back references and
flags are not. Whoever asks checks with `re` whether the text fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_ESCAPED = {"d": "1", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "n": "\n", "t": "\t", "r": "\r"}
_TRIED_FOR_NEGATED = "a1A-_ ~한"
_REPEAT = re.compile(r"\{(\d*)(,?)(\d*)\}")
_MOST_REPEATS = 256


class _Unsupported(Exception):
    """The expression uses what this generator does not know."""


def compose_match(pattern: str) -> str | None:
    """A text in which `pattern` is found, anchored where it is; None where none could be made."""
    try:
        parser = _Parser(pattern)
        text = parser.read_alternatives()
        fits = parser.is_at_end and re.search(pattern, text) is not None
    except (_Unsupported, re.error, IndexError, OverflowError):
        return None
    return text if fits else None


class _Parser:
    """Reads an expression from left to right, always taking the first way through it."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    @property
    def is_at_end(self) -> bool:
        return self.at >= len(self.pattern)

    def read_alternatives(self) -> str:
        """The first alternative; the others are read over."""
        first = self._read_sequence()
        while not self.is_at_end and self.pattern[self.at] == "|":
            self.at += 1
            self._read_sequence()
        return first

    def _read_sequence(self) -> str:
        text = ""
        while not self.is_at_end and self.pattern[self.at] not in "|)":
            item = self._read_item()
            text += item * self._read_count(item)
        return text

    def _read_item(self) -> str:
        readers: dict[str, Callable[[], str]] = {
            "(": self._read_group,
            "[": self._read_class,
            "\\": self._read_escape,
        }
        character = self.pattern[self.at]
        if character in readers:
            return readers[character]()
        self.at += 1
        if character in "^$":
            return ""
        if character in "*+?":
            raise _Unsupported
        return "a" if character == "." else character

    def _read_group(self) -> str:
        self.at += 1
        if self.pattern.startswith("?:", self.at):
            self.at += 2
        elif named := re.match(r"\?P?<\w+>", self.pattern[self.at :]):
            self.at += named.end()
        elif self.pattern.startswith("?", self.at):
            raise _Unsupported
        text: str = self.read_alternatives()
        if self.is_at_end:
            raise _Unsupported
        self.at += 1
        return text

    def _read_class(self) -> str:
        begin = self.at
        self.at += 1
        if self.pattern[self.at] == "^":
            self.at += 1
        if self.pattern[self.at] == "]":
            self.at += 1
        while self.pattern[self.at] != "]":
            self.at += 2 if self.pattern[self.at] == "\\" else 1
        self.at += 1
        source = self.pattern[begin : self.at]
        matcher = re.compile(source)
        inside = source.removeprefix("[").removeprefix("^")
        tried: list[str] = [*_TRIED_FOR_NEGATED, *inside, *map(chr, range(32, 127))]
        found = next((each for each in tried if matcher.fullmatch(each)), None)
        if found is None:
            raise _Unsupported
        return found

    def _read_escape(self) -> str:
        character = self.pattern[self.at + 1]
        self.at += 2
        if character in "bBAZ":
            return ""
        if character in "uxpP" or character.isdigit():
            raise _Unsupported
        return _ESCAPED.get(character, character)

    def _read_count(self, item: str) -> int:
        """The fewest repeats, but one where none are needed of what has a text."""
        if self.is_at_end:
            return 1
        character = self.pattern[self.at]
        count = 1
        if repeat := _REPEAT.match(self.pattern, self.at):
            least, _, most = repeat.groups()
            count = int(least or 0)
            if not count and most != "0" and not (repeat[2] == "" and least == "0"):
                count = 1
            self.at = repeat.end()
        elif character in "*+?":
            self.at += 1
        else:
            return 1
        if not self.is_at_end and self.pattern[self.at] in "?+":
            self.at += 1
        if count * max(1, len(item)) > _MOST_REPEATS * 64:
            raise _Unsupported
        return count
