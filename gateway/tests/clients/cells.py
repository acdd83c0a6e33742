"""What every client is asked to do through the gateway, and how its program tells what came of it.

The programs run in an environment without Django: this module, which they share, imports the standard library
alone.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

PARALLEL_STREAMS = 50
SENTENCE_TOKENS = 12
BUSY_TOKENS = 60
"""An answer that takes long enough for another to meet the limit of one at a time."""
CITY = "Seoul"
TOOL_NAME = "get_weather"
TOOL_QUESTION = f"Call the tool {TOOL_NAME} for {CITY}."
TOOL_RESULT = "14 degrees and rain"
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": [CITY, "Busan"]}},
    "required": ["city"],
    "additionalProperties": False,
}
COLOURS = ("red", "green")
PAINT_SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": list(COLOURS)}, "is_dry": {"type": "boolean"}},
    "required": ["colour", "is_dry"],
    "additionalProperties": False,
}
PICTURE_BASE64 = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAGCAIAAABxZ0isAAAAEUlEQVR42mP4z8CAFTEMpAQAMygv0TfMha4AAAAASUVORK5CYII="
)
"""A PNG of 8 × 6 points."""
PICTURE_URL = f"data:image/png;base64,{PICTURE_BASE64}"


class Cell(StrEnum):
    """A column of the matrix."""

    LIST = "list"
    CHAT = "chat"
    STREAM_USAGE = "stream_usage"
    TOOLS_AUTO = "tools_auto"
    TOOLS_REQUIRED = "tools_required"
    JSON_SCHEMA = "json_schema"
    IMAGE = "image"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    ERRORS = "errors"
    RETRY = "retry"
    PARALLEL = "parallel"


@dataclass(frozen=True, kw_only=True)
class Target:
    """The gateway that a client's program speaks to."""

    url: str
    """Without `/v1`."""
    key: str
    busy_key: str
    """An API key that may have one answer generated at a time."""
    model: str
    embedding_model: str
    cells: tuple[str, ...]

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def read_target() -> Target:
    """The one argument of a client's program."""
    fields: dict[str, Any] = json.loads(sys.argv[1])
    return Target(**fields | {"cells": tuple(fields["cells"])})


def run_cells(target: Target, cells: Mapping[Cell, Callable[[], object]]) -> None:
    """Print one line of JSON for each cell that is asked for and that this client has."""
    for cell, do in cells.items():
        if cell not in target.cells:
            continue
        detail = ""
        try:
            do()
        except Exception:
            detail = traceback.format_exc(limit=-3)[-2000:]
        print(json.dumps({"cell": cell, "ok": not detail, "detail": detail}), flush=True)


def check(is_so: object, what: str, seen: object = "") -> None:
    """Raise AssertionError with what was seen. A plain `assert` tells nothing outside of pytest."""
    if not is_so:
        raise AssertionError(f"expected {what}, saw {seen!r:.800}")


def check_picture_seen(text: object) -> None:
    """The simulated engine says which picture it got."""
    check("8" in str(text) and "6" in str(text) and "png" in str(text).lower(), "a PNG of 8 by 6", text)


def expect(kind: type[Exception], do: Callable[[], object]) -> Any:
    """The exception of this type that `do` raises."""
    try:
        do()
    except kind as exc:
        return exc
    raise AssertionError(f"expected {kind.__name__}, and nothing was raised")
