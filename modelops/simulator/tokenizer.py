"""A reversible tokenizer without a vocabulary: a token's id is its own UTF-8 bytes.

Pieces are at most six bytes, so ids stay below 2**48 and survive JSON readers that use doubles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Up to five ASCII word characters, or one other character, each with one leading space: about
# four characters per English token and one per Korean, Chinese or Japanese character.
_PIECE = re.compile(r" ?[A-Za-z0-9_]{1,5}| ?\S|\s")
_HIGHEST_ID = 2**48 - 1


def split(text: str) -> list[str]:
    """Pieces of ``text``; ``"".join(split(text)) == text`` for every string."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """How many tokens ``text`` has."""
    return len(split(text))


def encode(text: str) -> list[int]:
    """Token ids of ``text``."""
    return [int.from_bytes(piece.encode(), "big") for piece in split(text)]


def decode(ids: Iterable[int]) -> str:
    """The text of ``ids``; ids that :func:`encode` never gives become replacement characters."""
    return "".join(_decode_one(token_id) for token_id in ids)


def _decode_one(token_id: int) -> str:
    if not 0 <= token_id <= _HIGHEST_ID:
        return "\N{REPLACEMENT CHARACTER}"
    length = max(1, (token_id.bit_length() + 7) // 8)
    return token_id.to_bytes(length, "big").decode(errors="replace")


def message_text(message: Mapping[str, Any]) -> str:
    """The text of one chat message, whose content is a string, null or a list of text parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(map(_part_text, content))
    return ""


def _part_text(part: object) -> str:
    if isinstance(part, Mapping):
        return str(part.get("text", ""))
    return part if isinstance(part, str) else ""


def render_chat(
    messages: Sequence[Mapping[str, Any]],
    *,
    add_generation_prompt: bool = True,
    continue_final_message: bool = False,
) -> str:
    """The prompt that the simulated chat template makes of ``messages``; the last one may be left open."""
    turns = "".join(f"{message['role']}: {message_text(message)}\n" for message in messages)
    if continue_final_message:
        return turns.removesuffix("\n")
    return turns + "assistant: " if add_generation_prompt else turns
