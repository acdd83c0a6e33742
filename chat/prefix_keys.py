"""What requests with the same beginning of a prompt have in common, so that they go to the same engine.

An engine computes a prompt's beginning once and keeps it; another engine would compute it again.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from hashlib import blake2b
from itertools import islice
from typing import Any

MOST_CHARACTERS = 1000
"""Read of each message: those who share as much share most of what the engine has computed."""
MOST_MESSAGES = 4
"""Before the first one of the user's: system prompts."""


def find_prefix_key(source: object) -> bytes | None:
    """The key of a stored conversation by its id, or of a request by its body; None where nothing tells."""
    if isinstance(source, uuid.UUID):
        return source.bytes
    if not isinstance(source, Mapping):
        return None
    if isinstance(given := source.get("prompt_cache_key"), str) and given:
        return _encode(given)
    text = _read_beginning(source)
    if not text and isinstance(user := source.get("user"), str):
        text = user
    return _encode(text) if text else None


def _read_beginning(body: Mapping[str, Any]) -> str:
    """The texts up to the first message of the user's: they stay as they are while a chat goes on."""
    pieces = [_read_text(body.get(name)) for name in ("instructions", "system", "prompt")]
    given = body.get("messages") or body.get("input")
    if not isinstance(given, list):
        return "\n".join((*pieces, _read_text(given))).strip()
    for message in islice(given, MOST_MESSAGES):
        if not isinstance(message, Mapping):
            pieces.append(_read_text(message))
            break
        pieces.append(_read_text(message.get("content")))
        if message.get("role") == "user":
            break
    return "\n".join(pieces).strip()


def _read_text(content: Any) -> str:
    """The beginning of a text, or of the texts among the parts of a content."""
    if isinstance(content, str):
        return content[:MOST_CHARACTERS]
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content[:MOST_MESSAGES] if isinstance(part, Mapping))
    return "".join(text[:MOST_CHARACTERS] for text in texts if isinstance(text, str))


def _encode(text: str) -> bytes:
    return blake2b(text.encode(errors="replace"), digest_size=16).digest()
