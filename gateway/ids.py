"""Time-ordered ids: rows made together lie together in an index."""

from __future__ import annotations

import datetime
import uuid

from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562)."""
    return uuid7()


def first_id_at(moment: datetime.datetime) -> uuid.UUID:
    """The lower bound of the ids that were made at this moment or later."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)


def parse_id(text: str) -> uuid.UUID | None:
    """The UUID that `text` spells, or None."""
    try:
        return uuid.UUID(text)
    except (ValueError, AttributeError, TypeError):
        return None
