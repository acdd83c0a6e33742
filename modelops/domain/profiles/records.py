"""Kinds of JSON objects whose keys are known, and what such objects hold: lists, and values of two kinds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.wording import Translatable, fill_in, fill_text
from modelops.domain.errors import FieldError
from modelops.domain.profiles.kinds import Kind, Problems, describe, document

Check = Callable[[Mapping[str, Any]], str]
"""Returns what is wrong with an object whose keys are right one by one, nothing when nothing is."""


def record(
    keys: Mapping[str, Kind], *, refused: Mapping[str, Translatable] | None = None, check: Check | None = None
) -> Kind:
    """An object of some of these keys, each read by its own kind; a key of null is as good as absent.

    `refused` says of keys that the engine has why a profile may not set them: "it {reason}".
    """
    reasons = refused or {}

    def read(field: str, value: Any, problems: Problems) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            problems.append(
                FieldError(field, fill_in("must be an object, not {value}", value=describe(value)))
            )
            return {}
        before = len(problems)
        found: dict[str, Any] = {}
        for name in sorted(value, key=str):
            path = f"{field}.{str(name)[:60]}"
            if name not in keys:
                problems.append(FieldError(path, _explain_key(str(name), keys, reasons)))
            elif value[name] is not None:
                found[name] = keys[name].read(path, value[name], problems)
        if check is not None and found and len(problems) == before and (reason := check(found)):
            problems.append(FieldError(field, reason))
        return found

    label = "object of " + ", ".join(f"`{name}`" for name in keys)
    return Kind(label, read, keys=tuple(keys.items()), refused_keys=tuple(reasons.items()))


def _explain_key(name: str, keys: Mapping[str, Kind], refused: Mapping[str, Translatable]) -> str:
    if reason := refused.get(name):
        return fill_in("cannot be set: it {reason}", reason=fill_text(reason, {}))
    return fill_in("is not one of the keys that it may hold: {keys}", keys=", ".join(keys))


def sequence(item: Kind, most: int) -> Kind:
    """A list in the order given, which may repeat itself; stored as JSON's list."""

    def read(field: str, value: Any, problems: Problems) -> list[Any]:
        if not isinstance(value, list | tuple):
            problems.append(FieldError(field, fill_in("must be a list, not {value}", value=describe(value))))
            return []
        if len(value) > most:
            reason = fill_in("must have at most {most} entries, not {count}", most=most, count=len(value))
            problems.append(FieldError(field, reason))
            return []
        return [item.read(f"{field}[{index}]", each, problems) for index, each in enumerate(value)]

    return Kind(f"list of at most {most}: {item.label}", read)


def object_or(plain: Kind, keyed: Kind) -> Kind:
    """An object of the one kind, or anything else of the other."""

    def read(field: str, value: Any, problems: Problems) -> Any:
        return (keyed if isinstance(value, Mapping) else plain).read(field, value, problems)

    return Kind(f"{plain.label}, or {keyed.label}", read)


def filled(kind: Kind) -> Kind:
    """The same kind of text, which must not be empty here."""

    def read(field: str, value: Any, problems: Problems) -> Any:
        if value == "":
            problems.append(FieldError(field, fill_in("must not be empty")))
        return kind.read(field, value, problems)

    return replace(kind, read=read)


def variables(most_characters: int, *, refused: Mapping[str, Translatable]) -> Kind:
    """An object of any names that a template may use, with whatever JSON they stand for."""
    contents = document(most_characters)

    def read(field: str, value: Any, problems: Problems) -> dict[str, Any]:
        before = len(problems)
        found: dict[str, Any] = contents.read(field, value, problems)
        if len(problems) > before:
            return {}
        for name in found:
            path = f"{field}.{name[:60]}"
            if reason := refused.get(name):
                said = fill_in("cannot be set: it {reason}", reason=fill_text(reason, {}))
                problems.append(FieldError(path, said))
            elif not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name):
                problems.append(FieldError(path, fill_in("must be a name of letters, digits and _")))
        return dict(sorted(found.items()))

    return Kind(
        f"JSON object of at most {most_characters} characters, its keys names",
        read,
        refused_keys=tuple(refused.items()),
    )


def mapping(key: Kind, value_kind: Kind, most: int, label: str) -> Kind:
    """An object whose keys are read by one kind and whose values by another, sorted by its keys."""

    def read(field: str, value: Any, problems: Problems) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            problems.append(
                FieldError(field, fill_in("must be an object, not {value}", value=describe(value)))
            )
            return {}
        if len(value) > most:
            reason = fill_in("must have at most {most} entries, not {count}", most=most, count=len(value))
            problems.append(FieldError(field, reason))
            return {}
        found: dict[str, Any] = {}
        for name in sorted(value, key=str):
            path = f"{field}.{str(name)[:60]}"
            found[key.read(path, name, problems)] = value_kind.read(path, value[name], problems)
        return found

    return Kind(label, read)
