"""Checks of request bodies that all parsers share."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

# A backslash that is itself escaped begins no escape: `\\u0000` in JSON is the text \u0000, not a NUL.
_escaped_nul = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON of the wanted type: malformed, not UTF-8, or too deep."""


BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def not_json_message(body: bytes, problem: Exception) -> str:
    """What is wrong with a body that is no JSON; a byte order mark, which no editor shows, is named."""
    if body.startswith(BYTE_ORDER_MARKS):
        return "The body begins with a byte order mark (BOM). Send JSON as UTF-8 without one."
    return f"The body is not valid JSON: {problem}"


def decode_json(body: bytes) -> Any:
    """JSON in UTF-8, or with a byte order mark in whatever encoding that names, as RFC 8259 lets parsers do.

    Raises one of NOT_JSON.
    """
    try:
        return msgspec.json.decode(body)
    except NOT_JSON:
        if not body.startswith(BYTE_ORDER_MARKS):
            raise
        return msgspec.json.decode(body.decode(json.detect_encoding(body)))


def holds_nul(body: bytes) -> bool:
    """True when JSON text contains an escaped NUL character, which PostgreSQL cannot store."""
    return b"\\u0000" in body and _escaped_nul.search(body) is not None
