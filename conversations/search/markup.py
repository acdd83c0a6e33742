"""Leaves the marks of Markdown out of what a search shows of an answer, which readers know without them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

Span = tuple[int, int]

_line_marks = re.compile(
    r"""^[ \t]*(?:
        (?:`{3,}|~{3,})[^\n`]*$             # begins or ends a block of code
        | ([-*_])(?:[ \t]*\1){2,}[ \t]*$    # a rule
        | \|?[ \t]*:?-{2,}[-:| \t]*$        # below the head of a table
        | \#{1,6}(?=[ \t])                  # a heading
        | >+(?=\s)                          # a quotation
        | [-*+](?=[ \t])                    # an item of a list
    )""",
    re.MULTILINE | re.VERBOSE,
)
_marks = re.compile(
    r"""
    !?\[(?=[^\]\n]{1,200}\]\([^()\s]*\))    # a link or an image, before what it says
    | (?<=[^\s\[])\]\([^()\s]{0,2000}\)     # and after that
    | \*{2,3}(?=\S)|(?<=\S)\*{2,3}          # strong
    | (?<![\w_])__(?=\w)|(?<=\w)__(?![\w_]) # strong
    | ~~
    | `+                                    # code within a line
    | (?:(?<=\s)|^)\|(?=\s|$)               # between the cells of a table
    """,
    re.MULTILINE | re.VERBOSE,
)


_emphasis = re.compile(
    r"(?<![\w*\\])(\*)(?=\S)[^*\n]+?(?<=\S)(\*)(?!\*)|(?<![\w\\])(_)(?=\S)[^_\n]+?(?<=\S)(_)(?!\w)"
)


def leave_out_marks(text: str, matches: Sequence[Span], *, longest: int) -> tuple[str, list[Span]]:
    """The text on one line without its marks, cut to `longest` characters, and where the matches are in it.

    What a match has a part of stays: it was searched for. The text may begin and end anywhere in a document.
    """
    dropped = bytearray(len(text))
    for start, end in _find_marks(text):
        if not any(start < match_end and match_start < end for match_start, match_end in matches):
            dropped[start:end] = b"\x01" * (end - start)
    kept = _places_to_keep(text, dropped, matches)[:longest]
    at = {place: number for number, place in enumerate(kept)}
    moved = [(at[start], at[end - 1] + 1) for start, end in matches if start in at and end - 1 in at]
    return "".join(" " if text[place].isspace() else text[place] for place in kept), moved


def _find_marks(text: str) -> Iterator[Span]:
    for pattern in (_line_marks, _marks):
        for found in pattern.finditer(text):
            yield found.span()
    for found in _emphasis.finditer(text):
        yield from (found.span(group) for group in range(1, 5) if found[group])


def _places_to_keep(text: str, dropped: bytearray, matches: Sequence[Span]) -> list[int]:
    """Without what is dropped, and of spaces that follow each other only the first, but within a match."""
    searched = {place for start, end in matches for place in range(start, end)}
    kept: list[int] = []
    for place, character in enumerate(text):
        if dropped[place]:
            continue
        is_more_space = character.isspace() and (not kept or text[kept[-1]].isspace())
        if place in searched or not is_more_space:
            kept.append(place)
    while kept and text[kept[-1]].isspace() and kept[-1] not in searched:
        kept.pop()
    return kept
