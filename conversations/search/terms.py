"""What the index holds of a text: pieces of its words, from which any part of a word is found.

A piece is the characters from one position of a word on, PIECE of them, or fewer at the word's end; of
scripts that say more in a character (Hangul, Han, Kana), DENSE_PIECE. So a part of a word that is as long as
a piece is one, or several, and a shorter one is the beginning of one. Words are what stands between spaces,
so that punctuation is found in code.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

PIECE = 4
DENSE_PIECE = 3
FIRST_DENSE = "\u1100"
"""Of the scripts that get DENSE_PIECE: Hangul's first letter. So does all that Unicode has after it."""

MOST_TERM_BYTES = 600_000
"""In UTF-8. A tsvector of PostgreSQL holds 1 MiB, with the bucket before each term."""

SHIFT = 0x700
AS_LETTERS = {code: chr(SHIFT + code) for code in range(0x80) if not chr(code).isalnum() and code != 0x20}
"""ASCII's punctuation and control characters as two bytes that no tokenizer and no query syntax knows.

Two texts that differ may get the same pieces by it, as pieces only say which texts to read.
"""
for _space in "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f":
    del AS_LETTERS[ord(_space)]

TOO_LONG = chr(SHIFT + 1)
"""The term of a text that has more than MOST_TERM_BYTES of them: it has to be read for every search."""
ROLE, MODEL = chr(SHIFT + 2), chr(SHIFT + 3)


def fold(text: str) -> str:
    """The text in lower case and NFC, with as many characters as NFC has."""
    composed = unicodedata.normalize("NFC", text)
    lower = composed.lower()
    if len(lower) != len(composed):
        lower = "".join(low if len(low := char.lower()) == 1 else char for char in composed)
    return lower.replace("ς", "σ")


def make_terms(text: str) -> set[str]:
    """The terms of a text, without the bucket before each."""
    pieces: set[str] = set()
    for word in set(_encode(text).split()):
        if max(word) < FIRST_DENSE:
            pieces.update([word[n : n + PIECE] for n in range(len(word))])
        else:
            pieces.update([word[n : n + _size_at(char)] for n, char in enumerate(word)])
    if sum(map(len, pieces)) * 4 > MOST_TERM_BYTES and count_bytes(pieces) > MOST_TERM_BYTES:
        return {TOO_LONG}
    return pieces


def _size_at(char: str) -> int:
    return DENSE_PIECE if char >= FIRST_DENSE else PIECE


def count_bytes(terms: Iterable[str]) -> int:
    return sum(len(term.encode()) + 8 for term in terms)


def attribute_terms(*, role: str, model: str) -> set[str]:
    """The terms of what a message has beside its text."""
    return {role_term(role), model_term(model)} if model else {role_term(role)}


def role_term(role: str) -> str:
    return ROLE + role


def model_term(model: str) -> str:
    """Of a model by its exact name, though case and spaces are not told apart here."""
    return MODEL + _encode(model).replace(" ", chr(SHIFT))


def select_pieces(word: str) -> tuple[list[str], str]:
    """Pieces of any text that has this part of a word, as few as cover it; or else what one begins with."""
    encoded = _encode(word)
    whole = [(n, n + _size_at(char)) for n, char in enumerate(encoded) if n + _size_at(char) <= len(encoded)]
    if not whole:
        return [], encoded
    chosen: list[tuple[int, int]] = []
    for place, following in zip(whole, [*whole[1:], None], strict=True):
        reached = chosen[-1][1] if chosen else 0
        if following is None or following[0] > reached or not chosen:
            chosen.append(place)
    return list(dict.fromkeys(encoded[start:end] for start, end in chosen)), ""


def _encode(text: str) -> str:
    return fold(text).translate(AS_LETTERS)
