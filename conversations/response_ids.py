"""Ids of stored responses, as OpenAI's API writes them."""

from __future__ import annotations

import uuid

from gateway.errors import NotFound
from gateway.ids import parse_id
from gateway.shortening import shorten
from gateway.wording import fill_in

PREFIX = "resp_"


def name_response(response_id: uuid.UUID) -> str:
    return PREFIX + response_id.hex


def read_response_id(name: str) -> uuid.UUID | None:
    """None for what is no id of a response."""
    return parse_id(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None


def no_response(name: str) -> NotFound:
    """In the words by which OpenAI's clients know it."""
    return NotFound(fill_in("Response with id '{id}' not found.", id=shorten(name)))
