"""Reading typed values out of a JSON request body, refusing what the web framework would refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from modelops.simulator.errors import ApiError, malformed

Body = Mapping[str, Any]

_INTEGER = re.compile(r"\s*([+-]?[0-9]+(?:_[0-9]+)*)(?:\.0+)?\s*", re.ASCII)
_BOOLEANS = {
    **dict.fromkeys(("1", "t", "true", "y", "yes", "on"), True),
    **dict.fromkeys(("0", "f", "false", "n", "no", "off"), False),
}


def decode_body(raw: bytes) -> Body:
    """The JSON object in ``raw``; raises ApiError 400 when there is none."""
    if not raw:
        raise malformed("missing", path="body", message="Field required", found="None")
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _not_json(raw) from exc
    if not isinstance(body, dict):
        raise malformed(
            "model_attributes_type",
            path="body",
            message="Input should be a valid dictionary or object to extract fields from",
            found=describe(body),
        )
    return body


def _not_json(raw: bytes) -> ApiError:
    """The standard library's message and position, as FastAPI reports them."""
    position, reason = 0, "Invalid JSON"
    try:
        json.loads(raw)
    except json.JSONDecodeError as exc:
        position, reason = exc.pos, exc.msg
    except UnicodeDecodeError:
        pass
    return malformed(
        "json_invalid",
        path=f"body.{position}",
        message="JSON decode error",
        found="<dict of 0 items>",
        context=reason,
    )


def describe(value: object) -> str:
    """A short stand-in for a refused value, as vLLM writes it."""
    if isinstance(value, list | dict):
        return f"<{type(value).__name__} of {len(value)} items>"
    return str(value)[:200]


def read_int(body: Body, name: str) -> int | None:
    """An integer field, or None when absent or null; integral floats and texts count, as in pydantic."""
    value = body.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and (found := _INTEGER.fullmatch(value)):
        return int(found[1])
    raise _wrong_type("int_parsing", body=body, name=name, wanted="integer")


def read_generation_prompt(body: Body) -> tuple[bool, bool]:
    """``add_generation_prompt`` and ``continue_final_message``, which exclude each other."""
    adds = body.get("add_generation_prompt") is not False
    continues = read_bool(body, "continue_final_message")
    if continues and body.get("add_generation_prompt"):
        raise ApiError("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
    return adds, continues


def read_float(body: Body, name: str) -> float | None:
    """A number field, or None when absent or null."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _wrong_type("float_parsing", body=body, name=name, wanted="number")


def read_bool(body: Body, name: str) -> bool:
    """A boolean field, also as 0 or 1 or one of pydantic's words; absent and null mean false."""
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    known = _BOOLEANS.get(str(value).lower()) if isinstance(value, str | int) else None
    if known is not None:
        return known
    raise _wrong_type("bool_parsing", body=body, name=name, wanted="boolean")


def read_text(body: Body, name: str) -> str | None:
    """A string field, or None when absent or null."""
    value = body.get(name)
    if value is None or isinstance(value, str):
        return value
    raise _wrong_type("string_type", body=body, name=name, wanted="string")


def read_object(body: Body, name: str) -> Body:
    """An object field; absent and null mean empty."""
    value = body.get(name)
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise _wrong_type("dict_type", body=body, name=name, wanted="dictionary")


def read_objects(body: Body, name: str) -> list[Body]:
    """A required list of objects."""
    if name not in body:
        raise malformed("missing", path=f"body.{name}", message="Field required", found=describe(body))
    value = body[name]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _wrong_type("list_type", body=body, name=name, wanted="list")
    return value


def _wrong_type(kind: str, *, body: Body, name: str, wanted: str) -> ApiError:
    return malformed(
        kind, path=f"body.{name}", message=f"Input should be a valid {wanted}", found=describe(body[name])
    )
