"""The log of the engine that a switch started: its end, the lines that hold a text, or all that is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelops.models import Engine, Switch
from modelops.switching.selectors import LOG_PAGE, read_log_tail

SHOWN_LINES = 300
SEARCHED_LINES = 5_000
"""From the end, so that following a search of a running engine stays cheap."""
MOST_MATCHES = 200
CONTEXT_LINES = 2
LONGEST_TERM = 200


@dataclass(frozen=True)
class ShownLine:
    """A line in parts: what was looked for, and what stands between."""

    parts: tuple[tuple[str, bool], ...]
    is_match: bool = False


@dataclass(frozen=True)
class LogExcerpt:
    """Lines of a log in groups that follow each other with gaps. `matches` counts those that are shown."""

    groups: tuple[tuple[ShownLine, ...], ...]
    term: str = ""
    matches: int = 0
    is_cut: bool = False
    """There were more matches than are shown: the last ones are."""


def read_excerpt(switch: Switch, term: str = "") -> LogExcerpt:
    """The end of the log, or what of its last lines holds the term (upper and lower case are the same)."""
    term = term.strip()[:LONGEST_TERM]
    lines = read_lines(switch, SEARCHED_LINES if term else SHOWN_LINES)
    if term:
        return search_lines(lines, term)
    shown = tuple(ShownLine(((line, False),)) for line in lines)
    return LogExcerpt((shown,) if shown else ())


def read_lines(switch: Switch, most: int) -> list[str]:
    """The last lines of the engine that the switch started, or else what was kept of it with the switch."""
    engine = find_logged_engine(switch)
    lines = read_log_tail(engine, most)[0] if engine is not None else []
    return lines or switch.log_tail.splitlines()[-most:]


def find_logged_engine(switch: Switch) -> Engine | None:
    """The new engine; the one that was brought back while that is being started."""
    return switch.new_engine or switch.restored_engine


def iterate_log(switch: Switch) -> Iterator[str]:
    """All that is kept of the log, in pieces of whole lines; read in small steps."""
    engine = find_logged_engine(switch)
    if engine is None or not engine.log.exists():
        yield switch.log_tail
        return
    for piece in engine.log.order_by("id").iterator(chunk_size=LOG_PAGE):
        yield piece.text if piece.text.endswith("\n") else f"{piece.text}\n"


def search_lines(lines: Sequence[str], term: str) -> LogExcerpt:
    """The last matches, each with the lines around it; matches near each other share a group."""
    pattern = re.compile(re.escape(term), re.IGNORECASE)
    found = [index for index, line in enumerate(lines) if pattern.search(line)]
    kept = found[-MOST_MATCHES:]
    groups = tuple(
        tuple(_mark(lines[index], pattern) for index in range(first, last + 1))
        for first, last in _join_ranges(kept, len(lines))
    )
    return LogExcerpt(groups, term, len(kept), is_cut=len(found) > len(kept))


def _join_ranges(matches: Sequence[int], length: int) -> list[tuple[int, int]]:
    """First and last line of each group."""
    ranges: list[tuple[int, int]] = []
    for index in matches:
        first, last = max(index - CONTEXT_LINES, 0), min(index + CONTEXT_LINES, length - 1)
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], last)
        else:
            ranges.append((first, last))
    return ranges


def _mark(line: str, pattern: re.Pattern[str]) -> ShownLine:
    parts: list[tuple[str, bool]] = []
    end = 0
    for found in pattern.finditer(line):
        parts += [(line[end : found.start()], False), (found[0], True)]
        end = found.end()
    parts.append((line[end:], False))
    return ShownLine(tuple(part for part in parts if part[0]), is_match=end > 0)
