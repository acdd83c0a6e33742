"""Values that follow a JSON schema: what a model under structured output would be held to.

Objects have all their properties, texts say that they are simulated, and everything else is the plainest
value that the schema lets through. `not`, `if` and dependencies between properties are not looked at, and
expressions are matched as far as :mod:`.patterns` knows them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from modelops.simulator.errors import ApiError
from modelops.simulator.patterns import compose_match

_WORD = "simulated"
_MOST_DEPTH = 24
_MOST_PARTS = 10_000
_MOST_CHARS = 100_000
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "simulated@example.com",
    "idn-email": "simulated@example.com",
    "hostname": "simulated.example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipvanyaddress": "192.0.2.1",
    "uri": "https://example.com/simulated",
    "url": "https://example.com/simulated",
    "uri-reference": "/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "json-pointer": "/simulated",
    "regex": "simulated",
    "byte": "c2ltdWxhdGVk",
}
_STRING_KEYS = ("minLength", "maxLength", "pattern", "format", "contentEncoding")
_NUMBER_KEYS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_ARRAY_KEYS = ("items", "prefixItems", "minItems", "contains")
_OBJECT_KEYS = ("properties", "required", "additionalProperties", "patternProperties", "minProperties")
_Schema = Mapping[str, Any]


def compose_value(schema: Any) -> Any:
    """A value that follows `schema`, always the same one.

    Raises ApiError 400 for what is no schema, and for one whose values are very large.
    """
    try:
        return _Composer(schema).compose(schema, refs=(), depth=0)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
        raise ApiError(f"The schema cannot be followed: {exc}") from exc


def compose_json(schema: _Schema | None) -> str:
    """The JSON text of an answer: of a schema, or an object of its own where there is none."""
    value = {"simulated": True} if schema is None else compose_value(schema)
    return json.dumps(value, ensure_ascii=False)


class _Composer:
    """Composes the parts of one schema. `refs` are the references that led here: one that comes again is
    recursion, and what is optional is then left out, so that it ends."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._parts = 0

    def _count(self, parts: int) -> None:
        """A few letters of schema may ask for a million values, and nothing else is served meanwhile."""
        self._parts += parts
        if self._parts > _MOST_PARTS:
            raise ValueError(f"its values have more than {_MOST_PARTS} parts")

    def compose(self, schema: Any, *, refs: tuple[str, ...], depth: int) -> Any:
        self._count(1)
        if not isinstance(schema, Mapping) or depth > _MOST_DEPTH:
            return _WORD
        schema, refs = self._resolve(schema, refs)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        if branches := schema.get("anyOf") or schema.get("oneOf"):
            chosen = self._choose_branch(branches, refs)
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
            return self.compose(_merge(rest, chosen), refs=refs, depth=depth + 1)
        return self._compose_kind(schema, refs=refs, depth=depth)

    def _resolve(self, schema: _Schema, refs: tuple[str, ...]) -> tuple[_Schema, tuple[str, ...]]:
        """The schema with its references and its `allOf` put in place."""
        for _ in range(_MOST_DEPTH):
            if isinstance(ref := schema.get("$ref"), str):
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                schema, refs = _merge(self._find(ref), rest), (*refs, ref)
            elif isinstance(parts := schema.get("allOf"), list):
                merged = {key: value for key, value in schema.items() if key != "allOf"}
                for part in parts:
                    resolved, refs = self._resolve(part, refs) if isinstance(part, Mapping) else ({}, refs)
                    merged = _merge(merged, resolved)
                schema = merged
            else:
                break
        return schema, refs

    def _find(self, ref: str) -> _Schema:
        """What a reference within the schema points to; others are not followed."""
        target: Any = self.root
        for step in ref.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and name.isdigit() and int(name) < len(target):
                target = target[int(name)]
            else:
                target = target.get(name) if isinstance(target, Mapping) else None
        return target if ref.startswith("#") and isinstance(target, Mapping) else {}

    def _choose_branch(self, branches: Any, refs: tuple[str, ...]) -> _Schema:
        """The first branch, or in recursion one that leads out of it."""
        usable = [each for each in branches if isinstance(each, Mapping)] or [{}]
        if _is_recursive(refs):
            out = [each for each in usable if not _mentions(each, refs)]
            plain = [each for each in out if each.get("type") == "null"]
            return (plain or out or usable)[0]
        return usable[0]

    def _compose_kind(self, schema: _Schema, *, refs: tuple[str, ...], depth: int) -> Any:
        kind = _find_kind(schema)
        if kind == "object":
            return self._compose_object(schema, refs=refs, depth=depth)
        if kind == "array":
            return self._compose_array(schema, refs=refs, depth=depth)
        if kind in ("integer", "number"):
            return _compose_number(schema, is_whole=kind == "integer")
        return {"boolean": True, "null": None}[kind] if kind in ("boolean", "null") else _compose_text(schema)

    def _compose_object(self, schema: _Schema, *, refs: tuple[str, ...], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = [name for name in schema.get("required") or () if isinstance(name, str)]
        # What is optional is left out where it could go on for ever.
        names = required if _is_recursive(refs) else [*properties, *required]
        further = schema.get("additionalProperties", True)
        value = {
            name: self.compose(properties.get(name, further), refs=refs, depth=depth + 1)
            for name in dict.fromkeys(names)
        }
        patterns = schema.get("patternProperties") or {}
        missing = max(0, schema.get("minProperties", 0) - len(value))
        self._count(missing)
        for number in range(1, missing + 1):
            name, part = f"{_WORD}{number}", further
            for pattern, of_pattern in patterns.items():
                name, part = compose_match(pattern) or name, of_pattern
                break
            value[name] = self.compose(part, refs=refs, depth=depth + 1)
        return value

    def _compose_array(self, schema: _Schema, *, refs: tuple[str, ...], depth: int) -> list[Any]:
        prefix = schema.get("prefixItems") or ()
        items = schema.get("items", True)
        if isinstance(items, list):
            prefix, items = items, schema.get("additionalItems", True)
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        count = least if _is_recursive(refs) else max(least, len(prefix), 1 if items is not False else 0)
        self._count(int(min(count, most)))
        parts = [*prefix, *[items] * max(0, int(min(count, most)) - len(prefix))][: int(min(count, most))]
        if "contains" in schema and parts:
            parts[-1] = schema["contains"]
        values = [self.compose(part, refs=refs, depth=depth + 1) for part in parts]
        return self._make_unique(values, items) if schema.get("uniqueItems") else values

    def _make_unique(self, values: list[Any], items: Any) -> list[Any]:
        """Change values that repeat: to others of their enumeration, to further numbers and texts."""
        choices = self._resolve(items, ())[0].get("enum", []) if isinstance(items, Mapping) else []
        unique: list[Any] = []
        for number, value in enumerate(values):
            if value in unique and isinstance(value, str | int | float) and not isinstance(value, bool):
                free = [each for each in choices if each not in unique]
                other = f"{value}{number + 1}" if isinstance(value, str) else value + number
                value = free[0] if free else other
            unique.append(value)
        return unique


def _merge(schema: _Schema, other: _Schema) -> dict[str, Any]:
    """Both together; properties and required names are joined, of all else the second one's counts."""
    merged = {**schema, **other}
    if "properties" in schema and "properties" in other:
        merged["properties"] = {**schema["properties"], **other["properties"]}
    if "required" in schema and "required" in other:
        merged["required"] = list(dict.fromkeys([*schema["required"], *other["required"]]))
    return merged


def _is_recursive(refs: tuple[str, ...]) -> bool:
    return len(set(refs)) < len(refs)


def _mentions(schema: Any, refs: tuple[str, ...]) -> bool:
    if isinstance(schema, Mapping):
        return schema.get("$ref") in refs or any(_mentions(each, refs) for each in schema.values())
    return isinstance(schema, list) and any(_mentions(each, refs) for each in schema)


def _find_kind(schema: _Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str):
        return kind
    by_keys = {"object": _OBJECT_KEYS, "array": _ARRAY_KEYS, "number": _NUMBER_KEYS, "string": _STRING_KEYS}
    return next((name for name, keys in by_keys.items() if any(key in schema for key in keys)), "string")


def _compose_text(schema: _Schema) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if isinstance(pattern := schema.get("pattern"), str) and (match := compose_match(pattern)) is not None:
        return match
    if (example := _FORMATS.get(str(schema.get("format")))) is not None:
        return example
    if least > _MOST_CHARS:
        raise ValueError(f"a text has more than {_MOST_CHARS} characters")
    text: str = _WORD * max(1, math.ceil(least / len(_WORD)))
    return text[: int(max(least, most))] if most < len(text) else text


def _compose_number(schema: _Schema, *, is_whole: bool) -> int | float:
    """1 where it is allowed, else the allowed number nearest to it."""
    step = schema.get("multipleOf") or (1 if is_whole else 0)
    least, most = _find_bounds(schema, step or 0.5)
    value = min(max(1, least), most)
    if step:
        value = math.ceil(value / step - 1e-9) * step
        if value > most:
            value = math.floor(most / step + 1e-9) * step
    return int(value) if is_whole else float(value)


def _find_bounds(schema: _Schema, step: float) -> tuple[float, float]:
    """The bounds with exclusive ones moved inwards, also in the form of old drafts: true beside the bound."""
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    above = (least if above else None) if isinstance(above, bool) else above
    below = (most if below else None) if isinstance(below, bool) else below
    above, below = -math.inf if above is None else above, math.inf if below is None else below
    inwards = step
    if above > -math.inf and below < math.inf and not (above + step < below):
        inwards = (below - above) / 2
    return max(least, above + inwards), min(most, below - inwards)
