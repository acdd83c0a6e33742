"""Parses `multipart/form-data` piece by piece (RFC 7578), without holding the content of its parts.

Django's parser reads from a file, and so would have to be given a whole body; Starlette's needs a library of
its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from django.utils.http import parse_header_parameters

from gateway.errors import InvalidRequest
from gateway.wording import fill_in

FORM_TYPE = "multipart/form-data"
LONGEST_BOUNDARY = 70
"""RFC 2046, 5.1.1."""
MAX_PART_HEAD_BYTES = 8 * 1024


@dataclass(frozen=True)
class PartBegun:
    """A part follows, in pieces of `bytes`, up to the next of these or the end."""

    name: str
    filename: str | None
    """None for a field, which is no file."""
    content_type: str


FormEvent = PartBegun | bytes


class _State(Enum):
    CONTENT = auto()
    """Of a part; what comes before the first one is passed over."""
    BOUNDARY = auto()
    """Behind a boundary, before the end of its line."""
    HEAD = auto()
    END = auto()


class FormParser:
    """Fed with pieces of a body, of any size; tells of the parts in it. Raises InvalidRequest."""

    def __init__(self, content_type: str) -> None:
        self._delimiter = b"\r\n--" + _boundary_of(content_type)
        # The first boundary may be what the body begins with.
        self._held = bytearray(b"\r\n")
        self._state = _State.CONTENT
        self._is_in_part = False

    def feed(self, data: bytes) -> Iterator[FormEvent]:
        """What the parts hold, as far as `data` completes it. To be read to its end."""
        self._held += data
        while True:
            state, size = self._state, len(self._held)
            if state is _State.CONTENT:
                yield from self._read_content()
            elif state is _State.BOUNDARY:
                self._read_boundary()
            elif state is _State.HEAD:
                yield from self._read_head()
            else:
                self._held.clear()
            if not self._held or (self._state is state and len(self._held) == size):
                return

    def finish(self) -> None:
        """Raises InvalidRequest unless the form was complete."""
        if self._state is not _State.END:
            raise InvalidRequest("The form ends in the middle of a part.")

    def _read_content(self) -> Iterator[FormEvent]:
        found = self._held.find(self._delimiter)
        # A boundary may begin in what is held back.
        end = found if found >= 0 else max(0, len(self._held) - len(self._delimiter) + 1)
        if end and self._is_in_part:
            yield bytes(self._held[:end])
        if found >= 0:
            end += len(self._delimiter)
            self._state = _State.BOUNDARY
        del self._held[:end]

    def _read_boundary(self) -> None:
        if self._held.startswith(b"--"):
            self._state = _State.END
            return
        line, found, _rest = self._held.partition(b"\r\n")
        if line.strip(b" \t" if found else b" \t\r") and line != b"-":
            raise InvalidRequest("The form holds a boundary with something behind it.")
        if found:
            # The line end stays: a head that is empty is nothing but one more.
            del self._held[: len(line)]
            self._state = _State.HEAD
        elif len(line) > MAX_PART_HEAD_BYTES:
            raise _too_long()

    def _read_head(self) -> Iterator[FormEvent]:
        end = self._held.find(b"\r\n\r\n")
        if end > MAX_PART_HEAD_BYTES or (end < 0 and len(self._held) > MAX_PART_HEAD_BYTES):
            raise _too_long()
        if end < 0:
            return
        head = bytes(self._held[:end])
        del self._held[: end + 4]
        self._is_in_part = True
        self._state = _State.CONTENT
        yield _parse_head(head)


def _boundary_of(content_type: str) -> bytes:
    kind, parameters = parse_header_parameters(content_type)
    boundary = str(parameters.get("boundary", ""))
    if kind != FORM_TYPE:
        raise InvalidRequest(fill_in("Send a form: `Content-Type: {form_type}`.", form_type=FORM_TYPE))
    if not 0 < len(boundary) <= LONGEST_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        raise InvalidRequest("The form's Content-Type names no boundary.")
    return boundary.encode()


def _parse_head(head: bytes) -> PartBegun:
    headers: dict[str, str] = {}
    for line in head.decode(errors="replace").split("\r\n"):
        name, _colon, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    kind, parameters = parse_header_parameters(headers.get("content-disposition", ""))
    if kind != "form-data" or "name" not in parameters:
        raise InvalidRequest("A part of the form has no name.")
    filename = parameters.get("filename")
    return PartBegun(
        str(parameters["name"]),
        None if filename is None else str(filename),
        headers.get("content-type", ""),
    )


def _too_long() -> InvalidRequest:
    return InvalidRequest(fill_in("The head of a part has {limit} bytes at most.", limit=MAX_PART_HEAD_BYTES))
