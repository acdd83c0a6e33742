"""What a search asks for: words that a text has all of, each a part of it as it stands."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from conversations.search.terms import TOO_LONG, fold, model_term, role_term, select_pieces
from gateway.errors import InvalidRequest
from gateway.wording import fill_in

MOST_CHARACTERS = 200
MOST_WORDS = 10

BUCKET = "#"
"""Stands in an expression for the id of a bucket: no term has it."""

QUOTED = re.compile(r'(?:^|(?<=\s))"([^"]*[^"\s][^"]*)"(?=\s|$)|(\S+)')
"""A phrase in quotes, which begin and end a word; else a word, which may have quotes in it, as code does."""


@dataclass(frozen=True)
class SearchWord:
    """A word, or the words of a phrase, folded: between them a text may have any spaces."""

    parts: tuple[str, ...]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """For texts that are folded."""
        return re.compile(r"\s+".join(map(re.escape, self.parts)))


@dataclass(frozen=True)
class SearchFilters:
    role: str = ""
    model: str = ""
    since: datetime | None = None
    """The first moment, included."""
    until: datetime | None = None
    """The first moment that is too late."""


@dataclass(frozen=True, kw_only=True)
class SearchQuery:
    owner_id: uuid.UUID
    words: tuple[SearchWord, ...]
    filters: SearchFilters = field(default_factory=SearchFilters)

    @property
    def wants_titles(self) -> bool:
        """Titles have neither a role nor a model."""
        return not self.filters.role and not self.filters.model

    def tsquery(self, *, with_long: bool) -> str:
        """For PostgreSQL, with BUCKET before each term; `with_long` for a bucket that has texts TOO_LONG."""
        return self._expression(" & ", " | " if with_long else "", "'{}'", "'{}':*")

    def fts5(self, *, with_long: bool) -> str:
        """As `tsquery`, for SQLite."""
        return self._expression(" AND ", " OR " if with_long else "", '"{}"', '"{}" *')

    def _expression(self, both: str, either: str, exact: str, prefix: str) -> str:
        terms: dict[str, None] = {}
        for part in (part for word in self.words for part in word.parts):
            pieces, beginning = select_pieces(part)
            terms.update(dict.fromkeys(exact.format(BUCKET + piece) for piece in pieces))
            if beginning:
                terms[prefix.format(BUCKET + beginning)] = None
        texts = f"({both.join(terms)})"
        if either:
            texts = f"({texts}{either}{exact.format(BUCKET + TOO_LONG)})"
        wanted = [
            exact.format(BUCKET + term)
            for term in (
                role_term(self.filters.role) if self.filters.role else "",
                model_term(self.filters.model) if self.filters.model else "",
            )
            if term
        ]
        return both.join([texts, *wanted])


def parse_words(q: str) -> tuple[SearchWord, ...]:
    """The words of a query; those in double quotes are one. Raises InvalidRequest, naming `q`."""
    if len(q) > MOST_CHARACTERS:
        raise InvalidRequest(
            fill_in("A search takes {most} characters at most.", most=MOST_CHARACTERS), param="q"
        )
    words = tuple(dict.fromkeys(_read_words(fold(q))))
    if not words:
        raise InvalidRequest("A search needs a word.", param="q")
    if len(words) > MOST_WORDS:
        raise InvalidRequest(fill_in("A search takes {most} words at most.", most=MOST_WORDS), param="q")
    return words


def _read_words(q: str) -> Iterator[SearchWord]:
    for found in QUOTED.finditer(q):
        phrase, word = found.groups()
        yield SearchWord(tuple(phrase.split()) if phrase is not None else (word,))
