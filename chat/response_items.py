"""The input of a response as a list of items, and the pages in which it is read."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.errors import InvalidRequest

MOST_ITEMS = 100
"""Of one page, as OpenAI has it."""
USUAL_ITEMS = 20

REFERENCE = "item_reference"


def list_items(value: object) -> list[Any]:
    """The items of a request's `input`; a text is one message of the user's. Raises InvalidRequest."""
    if isinstance(value, str):
        content = [{"type": "input_text", "text": value}]
        return [{"type": "message", "role": "user", "content": content}]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidRequest("input: expected a text or a list of objects.", param="input")
    return value


def list_references(items: list[dict[str, Any]]) -> frozenset[str]:
    """The ids of items that stand for one of an earlier output, as SDKs send them that know it is stored."""
    return frozenset(item["id"] for item in items if is_reference(item))


def is_reference(item: dict[str, Any]) -> bool:
    """OpenAI takes one without its type, too."""
    return (
        item.get("type", REFERENCE) in {REFERENCE, None}
        and item.keys() <= {"type", "id"}
        and (isinstance(item.get("id"), str))
    )


def read_page(stored: str, response_id: uuid.UUID, query: Mapping[str, str]) -> dict[str, Any]:
    """A page of stored items, the last one first unless `order=asc`. Raises InvalidRequest.

    An item that came without an id is named by its response and its place.
    """
    items = [
        {"id": f"item_{response_id.hex}_{place}", **item}
        for place, item in enumerate(msgspec.json.decode(stored, type=list[dict[str, Any]]))
    ]
    order = query.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise InvalidRequest("order: expected asc or desc.", param="order")
    if order == "desc":
        items.reverse()
    if after := query.get("after"):
        ids = [item["id"] for item in items]
        if after not in ids:
            raise InvalidRequest("The cursor names none of the items.", param="after")
        items = items[ids.index(after) + 1 :]
    limit = _read_limit(query.get("limit"))
    page = items[:limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(items) > limit,
    }


def _read_limit(text: str | None) -> int:
    if text is None:
        return USUAL_ITEMS
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:4]) <= MOST_ITEMS:
        raise InvalidRequest("limit: expected a number from 1 to 100.", param="limit")
    return int(text)
