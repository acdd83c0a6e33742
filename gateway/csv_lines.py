"""Rows as lines of CSV that a spreadsheet shows as they are, and never runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet takes a text for a formula (OWASP, CSV injection)."""


def write_csv(rows: Iterable[Sequence[Any]]) -> str:
    """Lines of CSV; nothing for None, and an apostrophe before a text that would be a formula."""
    lines = io.StringIO()
    csv.writer(lines).writerows([_to_cell(value) for value in row] for row in rows)
    return lines.getvalue()


def _to_cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    if isinstance(value, float):
        return f"{value:.6f}"
    return value
