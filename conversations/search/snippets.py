"""Whether a text has all words of a search, where, and what to show of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from conversations.search.markup import leave_out_marks
from conversations.search.queries import SearchWord
from conversations.search.terms import fold

SNIPPET = 200
BEFORE = 60
"""Characters of a snippet, and of those before the first match."""
WITH_MARKS = 400
"""Characters of Markdown that a snippet is made of."""
MOST_MATCHES = 50
SPACES = {ord(space): " " for space in "\t\n\r\x0b\x0c"}


@dataclass(frozen=True)
class Snippet:
    """A part of a text with the places of the words in it: offsets in Unicode characters, ends excluded."""

    text: str
    matches: tuple[tuple[int, int], ...]
    score: int
    """How well the text has the words: 2 for each that is a whole word of it, 1 for the beginning of one."""


def find_words(text: str, words: Sequence[SearchWord], *, is_markdown: bool = False) -> Snippet | None:
    """None for a text that does not have all of the words. Of Markdown, the snippet has no marks."""
    folded = fold(text)
    first = [word.pattern.search(folded) for word in words]
    if not all(first):
        return None
    start = _start_of(folded, min(match.start() for match in first if match))
    end = start + (WITH_MARKS if is_markdown else SNIPPET)
    shown = folded[start:end]
    found = sorted(
        match.span() for word in words for match in islice(word.pattern.finditer(shown), MOST_MATCHES)
    )
    part, matches = unicodedata.normalize("NFC", text)[start:end], _join(found)
    if is_markdown:
        part, matches = leave_out_marks(part, matches, longest=SNIPPET)
    return Snippet(
        text=part.translate(SPACES),
        matches=tuple(matches),
        score=sum(_score(folded, word) for word in words),
    )


def _start_of(folded: str, first: int) -> int:
    """The beginning of a word some characters before the first match."""
    start = max(0, first - BEFORE)
    if start == 0:
        return 0
    space = folded.find(" ", start, first)
    return start if space < 0 else space + 1


def _join(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, with those that overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _score(folded: str, word: SearchWord) -> int:
    best = 0
    for match in islice(word.pattern.finditer(folded), MOST_MATCHES):
        begins = not _is_letter(folded, match.start() - 1)
        best = max(best, begins + (begins and not _is_letter(folded, match.end())))
    return best


def _is_letter(text: str, place: int) -> bool:
    return 0 <= place < len(text) and (text[place].isalnum() or text[place] == "_")
