"""Columns of a terminal: Korean letters take two of them, so `str.ljust` does not line them up."""

from __future__ import annotations

from unicodedata import combining, east_asian_width


def measure_columns(text: str) -> int:
    """How many columns a line takes."""
    return sum(_width(letter) for letter in text)


def pad(text: str, columns: int) -> str:
    """The text with spaces behind it, up to so many columns; below zero, with spaces in front."""
    spaces = " " * (abs(columns) - measure_columns(text))
    return f"{text}{spaces}" if columns > 0 else f"{spaces}{text}"


def _width(letter: str) -> int:
    if combining(letter):
        return 0
    return 2 if east_asian_width(letter) in ("F", "W") else 1
