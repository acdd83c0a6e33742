"""Kinds of values a profile may hold: each reads a plain JSON value, or says what is wrong with it."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError

Problems = list[FieldError]

AUTO = "auto"
_DEEPEST = 12
_LARGEST = 2**53


@dataclass(frozen=True)
class Kind:
    """`read(field, value, problems)` returns the value in its stored form and adds what is wrong.

    What it returns for a wrong value means nothing. `label` is what the documentation says. `max_length`
    and `choices` are given where a text is bounded or has to be one of a few words; with `has_auto` the word
    `auto` is read too, and stored as None. A switch is a flag without a value. `keys` are those that an
    object may hold, `refused_keys` those that it may not, with the reason.
    """

    label: str
    read: Callable[[str, Any, Problems], Any]
    max_length: int | None = None
    choices: tuple[str, ...] = ()
    has_auto: bool = False
    is_switch: bool = False
    keys: tuple[tuple[str, Kind], ...] = ()
    refused_keys: tuple[tuple[str, str], ...] = ()


def text(
    max_length: int, *, pattern: str = "", like: str = "", many_lines: bool = False, may_be_empty: bool = True
) -> Kind:
    """Text without control characters; `pattern` must match all of it, `like` describes it to people."""

    def read(field: str, value: Any, problems: Problems) -> str:
        if not isinstance(value, str):
            problems.append(FieldError(field, _explain_no_text(value)))
            return ""
        stripped = value.strip()
        if reason := _find_text_problem(stripped, max_length, pattern, like, many_lines):
            problems.append(FieldError(field, reason))
        elif not stripped and not may_be_empty:
            problems.append(FieldError(field, fill_in("must not be empty")))
        return stripped

    label = like or ("text of several lines" if many_lines else "text")
    return Kind(f"{label}, up to {max_length} characters", read, max_length)


def _explain_no_text(value: Any) -> str:
    """YAML reads 1 and true as a number and a switch, where they stand for texts, too."""
    if isinstance(value, bool | int | float):
        return fill_in("must be text, not {value}: write it in quotes", value=describe(value))
    return fill_in("must be text, not {value}", value=describe(value))


def _find_text_problem(value: str, max_length: int, pattern: str, like: str, many_lines: bool) -> str:
    if len(value) > max_length:
        return fill_in("must be at most {most} characters, not {count}", most=max_length, count=len(value))
    allowed = "\n\t" if many_lines else ""
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in allowed for c in value):
        return (
            fill_in("must not contain control characters")
            if many_lines
            else fill_in("must not contain control characters or line breaks")
        )
    if pattern and value and not re.fullmatch(pattern, value):
        return fill_in("must be {wanted}, not {value}", wanted=like, value=repr(value))
    return ""


def choice(*values: str, may_be_empty: bool = False) -> Kind:
    """One of a few words; empty means nothing was chosen."""

    def read(field: str, value: Any, problems: Problems) -> str:
        if isinstance(value, str) and value in values:
            return value
        if isinstance(value, bool | int | float) and describe(value) in values:
            problems.append(FieldError(field, _explain_no_text(value)))
        elif not (may_be_empty and value == ""):
            problems.append(
                FieldError(
                    field,
                    fill_in(
                        "must be one of {values}, not {value}",
                        values=", ".join(values),
                        value=describe(value),
                    ),
                )
            )
        return ""

    return Kind("one of " + ", ".join(f"`{value}`" for value in values), read, choices=values)


def whole(least: int, most: int, *, is_optional: bool = False, has_auto: bool = False) -> Kind:
    """A whole number. None means not set, or with `has_auto` is what `auto` is stored as."""

    def read(field: str, value: Any, problems: Problems) -> int | None:
        if (value is None and (is_optional or has_auto)) or (has_auto and value == AUTO):
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            wanted = fill_in("a whole number or auto") if has_auto else fill_in("a whole number")
            problems.append(
                FieldError(
                    field, fill_in("must be {wanted}, not {value}", wanted=wanted, value=describe(value))
                )
            )
            return None
        if not least <= value <= most:
            problems.append(
                FieldError(
                    field,
                    fill_in("must be {least} to {most}, not {value}", least=least, most=most, value=value),
                )
            )
        return value

    label = f"whole number, {least} to {most}" + (", or `auto`" if has_auto else "")
    return Kind(label, read, has_auto=has_auto)


def number(least: float, most: float, *, is_optional: bool = False) -> Kind:
    """A finite number, stored as a float. None means not set."""

    def read(field: str, value: Any, problems: Problems) -> float | None:
        if value is None and is_optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            problems.append(
                FieldError(field, fill_in("must be a number, not {value}", value=describe(value)))
            )
            return None
        if not least <= value <= most:
            problems.append(
                FieldError(
                    field,
                    fill_in(
                        "must be {least} to {most}, not {value}",
                        least=f"{least:g}",
                        most=f"{most:g}",
                        value=f"{value:g}",
                    ),
                )
            )
        return float(value)

    return Kind(f"number, {least:g} to {most:g}", read)


def boolean() -> Kind:
    def read(field: str, value: Any, problems: Problems) -> bool:
        if not isinstance(value, bool):
            problems.append(
                FieldError(field, fill_in("must be true or false, not {value}", value=describe(value)))
            )
        return bool(value)

    return Kind("`true` or `false`", read, is_switch=True)


def words(item: Kind, most: int) -> Kind:
    """A list without repeats, in the order given."""

    def read(field: str, value: Any, problems: Problems) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            problems.append(FieldError(field, fill_in("must be a list, not {value}", value=describe(value))))
            return ()
        if len(value) > most:
            problems.append(
                FieldError(
                    field,
                    fill_in("must have at most {most} entries, not {count}", most=most, count=len(value)),
                )
            )
        read_items = [item.read(f"{field}[{index}]", entry, problems) for index, entry in enumerate(value)]
        for index, entry in enumerate(read_items):
            if entry and entry in read_items[:index]:
                problems.append(
                    FieldError(f"{field}[{index}]", fill_in("repeats {entry}", entry=repr(entry)))
                )
        return tuple(read_items)

    return Kind(f"list of at most {most}: {item.label}", read)


def document(most_characters: int) -> Kind:
    """A JSON object as it came, bounded in size and depth."""

    def read(field: str, value: Any, problems: Problems) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            problems.append(
                FieldError(field, fill_in("must be an object, not {value}", value=describe(value)))
            )
            return {}
        if reason := _find_json_problem(value, 0):
            problems.append(FieldError(field, reason))
            return {}
        if len(json.dumps(value)) > most_characters:
            problems.append(
                FieldError(
                    field,
                    fill_in(
                        "must be at most {most_characters} characters of JSON",
                        most_characters=most_characters,
                    ),
                )
            )
        return dict(value)

    return Kind(f"JSON object of at most {most_characters} characters", read)


def _find_json_problem(value: Any, depth: int) -> str:
    """Return why a store for JSON would refuse this value or give back another, nothing when it would not."""
    if depth > _DEEPEST:
        return fill_in("must not nest deeper than {levels} levels", levels=_DEEPEST)
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) for key in value):
            return fill_in("must have text as keys")
        children = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple):
        children = list(value)
    elif isinstance(value, str):
        is_broken = any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in value)
        return "must not contain control characters" if is_broken else ""
    elif isinstance(value, int | float | None):
        # PostgreSQL gives larger ones back as other numbers. Written so that NaN is refused too.
        is_kept = value is None or abs(value) <= _LARGEST
        return "" if is_kept else "must not contain numbers that large, nor infinity nor NaN"
    else:
        return f"must hold JSON values only, not {describe(value)}"
    return next((reason for child in children if (reason := _find_json_problem(child, depth + 1))), "")


def describe(value: Any) -> str:
    """Name a wrong value in few words, safe to show."""
    if value is None:
        return fill_in("nothing")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return fill_in("an object")
    if isinstance(value, list | tuple):
        return fill_in("a list")
    if isinstance(value, int) and abs(value) >= 10**20:
        return fill_in("a huge number")
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
