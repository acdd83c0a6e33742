"""Bytes of a log, in whatever pieces they come, as whole lines."""

from __future__ import annotations

import codecs
import re

MAXIMUM_LINE_CHARACTERS = 64 * 1024

_END = re.compile(r"(\r\n|\r|\n)")


class LineSplitter:
    """A carriage return ends a line too, as progress bars rewrite theirs; nothing before one is no line.

    Bytes that are no UTF-8, and zeros, which PostgreSQL takes for no text, become U+FFFD, and a line longer
    than MAXIMUM_LINE_CHARACTERS is cut there.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._ended_with_return = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes."""
        return self._split(self._decoder.decode(data).replace("\0", "\ufffd"))

    def finish(self) -> list[str]:
        """What is left when nothing more comes: at most one line."""
        lines = self._split(self._decoder.decode(b"", final=True))
        rest, self._rest = self._rest, ""
        return [*lines, rest] if rest else lines

    def _split(self, text: str) -> list[str]:
        if self._ended_with_return and text:
            # The second half of a \r\n that came in two pieces.
            text = text.removeprefix("\n")
            self._ended_with_return = False
        text = self._rest + text
        # Content and line ends in turn; what follows the last end is not a line yet.
        *pieces, self._rest = _END.split(text)
        lines = [
            content for content, end in zip(pieces[::2], pieces[1::2], strict=True) if content or end != "\r"
        ]
        self._ended_with_return = text.endswith("\r") or (self._ended_with_return and not text)
        while len(self._rest) > MAXIMUM_LINE_CHARACTERS:
            lines.append(self._rest[:MAXIMUM_LINE_CHARACTERS])
            self._rest = self._rest[MAXIMUM_LINE_CHARACTERS:]
        return lines
