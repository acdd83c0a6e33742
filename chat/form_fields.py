"""The fields of a form, read and bounded as those of a JSON body are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from chat.caps import apply_caps
from chat.field_caps import FieldCaps
from chat.lax_values import read_boolean
from gateway.bodies import NOT_JSON
from gateway.conf_requests import RequestConfig
from gateway.errors import InvalidRequest
from gateway.wording import fill_in

LIST_SUFFIX = "[]"
"""Ends the name of a field that may be there several times."""

OBJECT_FIELDS = frozenset({"vllm_xargs"})
"""Written in JSON."""


def read_fields(fields: Iterable[tuple[str, str]], caps: FieldCaps, config: RequestConfig) -> dict[str, Any]:
    """The fields by name, without those that the gateway sets itself. Raises InvalidRequest.

    The engine would take the last one of a name, other readers the first.
    """
    body: dict[str, Any] = {}
    for name, value in fields:
        if name.endswith(LIST_SUFFIX):
            body.setdefault(name, []).append(value)
        elif name in body:
            raise InvalidRequest(fill_in("{name}: is there more than once.", name=name), param=name)
        else:
            body[name] = _read_object(name, value) if name in OBJECT_FIELDS else value
    return apply_caps({"model": "", **body}, caps, config)


def is_set(body: Mapping[str, Any], name: str) -> bool:
    """Whether the engine reads the field as true. Raises InvalidRequest for what is no yes or no."""
    if name not in body:
        return False
    value = read_boolean(body[name])
    if value is None:
        raise InvalidRequest(fill_in("`{name}` must be true or false.", name=name), param=name)
    return value


def write_fields(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields as they are written into a form."""
    for name, value in body.items():
        if isinstance(value, list):
            yield from ((name, each) for each in value)
        else:
            yield name, value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _read_object(name: str, value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except NOT_JSON as exc:
        raise InvalidRequest(fill_in("{name}: expected an object in JSON.", name=name), param=name) from exc
