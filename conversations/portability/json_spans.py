"""Finds where the items of a large JSON file begin and end, without reading any of them into memory.

Items are then decoded one by one, each bounded in bytes, by the same strict decoder as bodies. A parser that
streams would hold a string of any length, and items of which it learns too late that they are too large.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from typing import IO, NamedTuple, NoReturn

from gateway.errors import InvalidRequest
from gateway.wording import fill_in

CHUNK_BYTES = 2**20
MOST_ITEMS = 1_000_000
MOST_LEVELS = 100_000
"""Far deeper than the decoder goes, which refuses such an item by itself."""

_PLAIN = re.compile(rb'(?s)(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+')
"""Whole strings, and all that is no bracket."""
_STRING = re.compile(rb"(?s)(?:[^\"\\]++|\\.)*+")
_BETWEEN = b" \t\r\n,"
_PAIRS = {ord("{"): ord("}"), ord("["): ord("]")}
_QUOTE, _BACKSLASH = ord('"'), ord("\\")


class Span(NamedTuple):
    """The bytes of an item in its file."""

    start: int
    end: int


class Spans:
    """Spans in sixteen bytes each."""

    def __init__(self) -> None:
        self._places = array("Q")

    def __len__(self) -> int:
        return len(self._places) // 2

    def __iter__(self) -> Iterator[Span]:
        return map(Span, self._places[::2], self._places[1::2])

    def add(self, start: int, end: int) -> None:
        self._places.append(start)
        self._places.append(end)


def find_spans(file: IO[bytes], *, level: int) -> Spans:
    """The objects and arrays that `level` others surround: 0 for lines of JSON, 1 for a list of items.

    Raises InvalidRequest, naming line and byte, for brackets that do not match, a file that ends too early,
    anything but items at level 0 or 1, and more than MOST_ITEMS.
    """
    scanner = _Scanner(file, level)
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        scanner.feed(chunk)
    scanner.finish()
    return scanner.spans


class _Scanner:
    def __init__(self, file: IO[bytes], level: int) -> None:
        self.spans = Spans()
        self._file = file
        self._level = level
        self._is_strict = level < 2
        self._open = bytearray()
        """The brackets that the open ones wait for."""
        self._start = 0
        self._is_in_string = False
        self._carry = b""
        self._base = 0

    def feed(self, chunk: bytes) -> None:
        chunk = self._carry + chunk
        at, size = 0, len(chunk)
        self._carry = b""
        while at < size:
            if self._is_in_string:
                at = _end_of(_STRING, chunk, at)
                if at < size and chunk[at] == _BACKSLASH:
                    self._carry = chunk[at:]
                    size = at
                elif at < size:
                    self._is_in_string = False
                    at += 1
                continue
            end = _end_of(_PLAIN, chunk, at)
            self._check_between(chunk, at, end)
            if end < size:
                self._meet(chunk[end], self._base + end)
            at = end + 1
        self._base += size

    def finish(self) -> None:
        if self._open or self._is_in_string:
            fail(self._file, self._base, "the file ends in the middle of it")

    def _check_between(self, chunk: bytes, at: int, end: int) -> None:
        if self._is_strict and len(self._open) == self._level and at < end:
            other = chunk[at:end].lstrip(_BETWEEN)
            if other:
                fail(self._file, self._base + end - len(other), "expected an object here")

    def _meet(self, char: int, place: int) -> None:
        """A bracket, or the beginning of a string that goes on in the next chunk."""
        if char == _QUOTE:
            if self._is_strict and len(self._open) == self._level:
                fail(self._file, place, "expected an object here")
            self._is_in_string = True
        elif char in _PAIRS:
            if len(self._open) == self._level:
                self._start = place
            self._open.append(_PAIRS[char])
            if len(self._open) > MOST_LEVELS:
                fail(self._file, place, f"more than {MOST_LEVELS} levels")
        else:
            if not self._open or self._open.pop() != char:
                fail(self._file, place, f"`{chr(char)}` closes nothing")
            if len(self._open) == self._level:
                self.spans.add(self._start, place + 1)
                if len(self.spans) > MOST_ITEMS:
                    raise InvalidRequest(fill_in("The file has more than {most} items.", most=MOST_ITEMS))


def _end_of(pattern: re.Pattern[bytes], chunk: bytes, at: int) -> int:
    """Where the match ends that begins there; each of these patterns matches nothing, too."""
    found = pattern.match(chunk, at)
    return found.end() if found else at


def fail(file: IO[bytes], place: int, problem: str) -> NoReturn:
    """Raises InvalidRequest that names the place as line and byte, as editors count them."""
    line, column = find_line(file, place)
    raise InvalidRequest(
        fill_in(
            "The file is not valid JSON: line {line}, byte {column}: {problem}.",
            line=line,
            column=column,
            problem=problem,
        )
    )


def find_line(file: IO[bytes], place: int) -> tuple[int, int]:
    """The line of a byte of the file, and its place in that, both from 1."""
    file.seek(0)
    line, column, left = 1, 1, place
    while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
        left -= len(chunk)
        lines = chunk.count(b"\n")
        line += lines
        column = len(chunk) - chunk.rfind(b"\n") if lines else column + len(chunk)
    return line, column
