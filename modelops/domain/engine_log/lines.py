"""One line of an engine's log: its level, and its text without prefixes and colours."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LINE_CHARS = 2000
"""vLLM prints its whole configuration on one line; nothing of interest comes after this many characters."""

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SPEAKER = r"(?:\((?P<who>[^()]{1,80})\)\s*)?"
_STAMP = r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) [\d:.,T -]{8,30} \[?[^\]\s]{1,120}:\d+\]"
_LOGGED = re.compile(rf"^\s*{_SPEAKER}(?:{_STAMP})?[ ]?(?P<text>.*)$", re.DOTALL)
_ACCESS = re.compile(r"^(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL):\s+(?P<text>.*)$", re.DOTALL)
_REMARK = re.compile(
    r"\b\w*Warning: |^\[W\d{4} |^\[?(?:INFO|WARNING)\]|^warnings\.warn|\b(?:INFO|WARNING) - "
)
_BAR = re.compile(r"\d% ?\||\d% Completed|\bit/s\]|\bs/it\]")


@dataclass(frozen=True)
class LogLine:
    """`level` is empty for what no logger wrote: tracebacks, progress bars, other libraries."""

    text: str
    level: str = ""
    who: str = ""

    @property
    def is_bar(self) -> bool:
        return _BAR.search(self.text) is not None

    @property
    def is_harmless(self) -> bool:
        """Whether it cannot be why something failed, whatever words are in it."""
        if self.level:
            return self.level not in ("ERROR", "CRITICAL")
        return self.is_bar or _REMARK.search(self.text) is not None


def read_line(line: str) -> LogLine:
    """Take a line apart. Understands vLLM's old and new formats, its workers' and uvicorn's."""
    plain = _COLOUR.sub("", line[:MAX_LINE_CHARS]).rstrip("\r\n")
    if access := _ACCESS.match(plain):
        return LogLine(access["text"], access["level"])
    logged = _LOGGED.match(plain)
    if logged is None:
        return LogLine(plain)
    if not logged["level"] and (logged["who"] is None or "pid=" not in logged["who"]):
        return LogLine(plain)
    return LogLine(logged["text"], logged["level"] or "", logged["who"] or "")
