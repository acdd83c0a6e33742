"""Arguments of the engine's own parts, by name: bounded, and none that stands for a field that is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chat.lax_values import LARGEST_NUMBER
from chat.nesting import is_nested_deeper
from chat.refused_fields import REFUSED_FIELDS
from gateway.errors import InvalidRequest
from gateway.shortening import shorten
from gateway.wording import fill_in

ARGUMENT_FIELDS = frozenset({"vllm_xargs", "chat_template_kwargs"})
"""Handed on inside the engine: to its processors and connectors, to the template's renderer. How long they
may be as JSON `chat.caps` says, as of every other field."""

MAX_ARGUMENTS = 64

DEEPEST_ARGUMENT = 16
"""Of lists and objects. A template walks through them for every request."""

REFUSED_ARGUMENTS = REFUSED_FIELDS | {"tokenize"}
"""vLLM takes the same things by these names; `tokenize` makes the renderer block it (CVE-2025-62426)."""


def check_arguments(body: Mapping[str, Any], name: str) -> None:
    """Raises InvalidRequest for what is no object, too large or too deep, or names what is refused."""
    value = body.get(name)
    if value is None:
        return
    if not isinstance(value, dict) or len(value) > MAX_ARGUMENTS:
        raise InvalidRequest(
            fill_in(
                "{name}: expected an object of {max_arguments} entries at most.",
                name=name,
                max_arguments=MAX_ARGUMENTS,
            ),
            param=name,
        )
    if is_nested_deeper(value, DEEPEST_ARGUMENT):
        raise InvalidRequest(
            fill_in(
                "{name}: this gateway allows a nesting of {limit} at most.", name=name, limit=DEEPEST_ARGUMENT
            ),
            param=name,
        )
    _check_within(value, name)


def _check_within(value: object, name: str) -> None:
    """Names and numbers at every depth. Recurses no deeper than DEEPEST_ARGUMENT."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in REFUSED_ARGUMENTS:
                raise InvalidRequest(
                    fill_in("{name}: `{key}` is not for clients to set.", name=name, key=shorten(key)),
                    param=name,
                )
            _check_within(inner, name)
    elif isinstance(value, list):
        for inner in value:
            _check_within(inner, name)
    elif isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise InvalidRequest(fill_in("{name}: a number has 64 bits at most.", name=name), param=name)
