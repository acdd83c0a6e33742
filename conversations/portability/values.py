"""Values of files that others wrote, checked for the columns that they are to go into.

What is of another type than expected counts as left out: files of other products vary.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from conversations.portability.trees import UnreadableItem

MAX_COUNT = 2**31 - 1
"""What the columns of counts take."""
MILLISECONDS_FROM = 10**11
"""A moment in seconds is smaller for the next three thousand years."""


def read_object(value: object, name: str) -> Mapping[str, Any]:
    """Raises UnreadableItem for anything but an object."""
    if not isinstance(value, dict):
        raise UnreadableItem(f"`{name}` is no object.")
    return value


def read_list(value: object, name: str) -> list[Any]:
    """Raises UnreadableItem for anything but a list."""
    if not isinstance(value, list):
        raise UnreadableItem(f"`{name}` is no list.")
    return value


def object_in(value: object) -> Mapping[str, Any]:
    """The object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects_in(value: object) -> list[dict[str, Any]]:
    """The objects of a list; nothing for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_of(value: object, most: int | None = None) -> str:
    return value[:most] if isinstance(value, str) else ""


def count_of(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT
    return int(value) if is_count and isinstance(value, int) else None


def moment_of(value: object) -> datetime | None:
    """A moment in seconds or milliseconds since 1970, or as RFC 3339; UTC where it does not say.

    One that is still to come counts as now: nothing in it would ever be old enough for rules of retention, or
    for the trash to be emptied.
    """
    found = _read_moment(value)
    return found and min(found, timezone.now())


def _read_moment(value: object) -> datetime | None:
    try:
        if isinstance(value, str):
            found = parse_datetime(value)
            return found and (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if abs(value) >= MILLISECONDS_FROM else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def calls_of(value: object) -> list[dict[str, Any]] | None:
    """Those of the tool calls that are in the shape of OpenAI's, without what else they hold; None for none.

    It could be anything: nested deeper than a row can be written or read, or what an engine takes for more.
    """
    calls = []
    for call in objects_in(value):
        function = call.get("function")
        if not isinstance(function, dict):
            continue
        id_, name, arguments = call.get("id"), function.get("name"), function.get("arguments")
        if isinstance(id_, str) and isinstance(name, str) and isinstance(arguments, str):
            calls.append(make_call(id_, name, arguments))
    return calls or None


def make_call(id_: str, name: str, arguments: str) -> dict[str, Any]:
    """A tool call in OpenAI's shape."""
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
