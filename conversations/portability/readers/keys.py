"""Keys by which a conversation of another product is known again when its file is imported once more."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec


def make_key(product: str, id_: object, item: Mapping[str, Any]) -> str:
    """Of the conversation's id at its product, which may be of any length; else of all that it says."""
    named = id_.encode(errors="replace") if isinstance(id_, str) and id_ else msgspec.json.encode(item)
    return hashlib.sha256(product.encode() + b"\0" + named).hexdigest()
