"""Values as vLLM's parser of requests takes them: pydantic's lax mode, in which `"512"` is a number.

What the gateway bounds it has to read as the engine will, or a number in quotes would pass unbounded.
See pydantic's conversion table, https://docs.pydantic.dev/latest/concepts/conversion_table/.
"""

from __future__ import annotations

import re

LARGEST_NUMBER = 2**63 - 1
"""vLLM's messages between its processes hold 64 bits."""

LONGEST_NUMBER = 64
"""Characters of a number in a text. Longer ones hold no 64 bits, but for zeros in front."""

# Digits, with single underscores between them, and a fraction of zeros.
_number = re.compile(r"\s*(?P<whole>[+-]?[0-9]+(?:_[0-9]+)*)(?:\.0+)?\s*", re.ASCII)

_words = {
    **dict.fromkeys(("1", "t", "true", "y", "yes", "on"), True),
    **dict.fromkeys(("0", "f", "false", "n", "no", "off"), False),
}


def read_whole_number(value: object) -> int | None:
    """The number that vLLM reads in `value`: also of `512.0`, of `"512"` and of a boolean.

    None for what it refuses.
    """
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= LARGEST_NUMBER else None
    if isinstance(value, str) and len(value) <= LONGEST_NUMBER and (found := _number.fullmatch(value)):
        return int(found["whole"])
    return None


def read_boolean(value: object) -> bool | None:
    """What vLLM reads as true or false: also 0 and 1, `"true"` and `"no"`. None for what it refuses."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _words.get(value.lower())
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else None
