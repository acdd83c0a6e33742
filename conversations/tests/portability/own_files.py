"""Small exports of this product, as its own importer reads them."""

from __future__ import annotations

import json
import uuid
from typing import Any


def describe(**fields: Any) -> dict[str, Any]:
    """A conversation as exports write it."""
    question = {"id": "q", "parent_id": None, "role": "user", "content": "Hello"}
    return {"id": str(uuid.UUID(int=7)), "title": "Old", "head_id": "q", "messages": [question]} | fields


def document(*conversations: Any, **fields: Any) -> bytes:
    head = {"format": "vllm-chat-gateway", "version": 1}
    return json.dumps({**head, **fields, "conversations": conversations}).encode()
