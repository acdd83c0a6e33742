"""How deep a value from a client is nested. The engine's compilers of schemas and expressions recurse."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What a backslash escapes opens and closes nothing.
_bracket = re.compile(r"\\.|(?P<opening>[\[({])|(?P<closing>[\])}])", re.DOTALL)


def is_nested_deeper(value: object, limit: int, *, counts_texts: bool = False) -> bool:
    """Whether lists and objects in `value` are nested more than `limit` deep.

    `counts_texts`: also the brackets of each text, which may be a schema as text, an expression or a grammar.
    Does not recurse itself.
    """
    level: list[object] = [value]
    for left in range(limit, -1, -1):
        if counts_texts and any(_is_text_deeper(item, left) for item in level):
            return True
        if left:
            level = [inner for item in level for inner in _items_of(item)]
    return any(isinstance(item, list | dict) for item in level)


def _items_of(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _is_text_deeper(value: object, limit: int) -> bool:
    if not isinstance(value, str):
        return False
    depth = 0
    for found in _bracket.finditer(value):
        if found["opening"]:
            depth += 1
            if depth > limit:
                return True
        elif found["closing"]:
            depth = max(0, depth - 1)
    return False
