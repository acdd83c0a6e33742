"""Answers that a request holds to a form: a schema, a choice, an expression."""

from __future__ import annotations

import json
from typing import Any

from modelops.simulator.bodies import Body, read_object
from modelops.simulator.errors import ApiError, invalid_value
from modelops.simulator.patterns import compose_match
from modelops.simulator.schemas import compose_json

_KINDS = ("json", "regex", "choice", "grammar", "json_object", "structural_tag")


def compose_structured(body: Body) -> str | None:
    """The text of an answer whose form the request decides; None where it does not.

    Raises ApiError 400 for several forms at once, as vLLM does, and for those that are not simulated.
    """
    response_format = read_object(body, "response_format")
    match response_format.get("type"):
        case "json_schema":
            return compose_json(read_object(read_object(response_format, "json_schema"), "schema"))
        case "json_object":
            return compose_json(None)
        case "structural_tag":
            raise _not_simulated("structural_tag")
    if body.get("structured_outputs") is None:
        return None
    return _compose_constrained(read_object(body, "structured_outputs"))


def _compose_constrained(constraint: Body) -> str | None:
    asked = [kind for kind in _KINDS if constraint.get(kind) is not None]
    if len(asked) > 1:
        raise ApiError(
            "You can only use one kind of constraints for structured outputs ('json', 'regex' or 'choice')."
        )
    if not asked:
        raise ApiError("You must use one kind of structured outputs constraint but none are specified")
    (kind,) = asked
    value = constraint[kind]
    match kind:
        case "json":
            return compose_json(_read_schema(value))
        case "json_object":
            return compose_json(None) if value else None
        case "choice" if isinstance(value, list) and value:
            return str(value[0])
        case "choice":
            raise ApiError(f"Choice '{value}' cannot be an empty list")
        case "regex" if (text := compose_match(str(value))) is not None:
            return text
    raise _not_simulated(kind)


def _read_schema(value: Any) -> dict[str, Any] | None:
    """A schema as an object or as its JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as exc:
            raise ApiError("Invalid JSON grammar specification.") from exc
    return value if isinstance(value, dict) else None


def _not_simulated(kind: str) -> ApiError:
    return invalid_value(
        f"The simulated engine does not follow this {kind}.", param=f"structured_outputs.{kind}"
    )
