"""Whose cached prompts a request may profit from.

vLLM keeps the computed beginnings of prompts and reuses them for whoever sends the same. How fast an answer
comes then tells whether somebody else has sent that text. A salt of one's own keeps each user's apart.
"""

from __future__ import annotations

import base64
import hmac
import uuid
from functools import lru_cache

from gateway.conf_requests import RequestConfig


def salt_fields(caps: RequestConfig, *, secret: str, user_id: uuid.UUID) -> dict[str, str]:
    """`cache_salt` for the engine's request body; nothing where the cache is shared.

    vLLM takes it since 0.9; engines that do not know the field ignore it, as they do any other.
    """
    return {"cache_salt": _salt_of(secret, user_id)} if caps.prompt_cache == "user" else {}


@lru_cache(maxsize=10_000)
def _salt_of(secret: str, user_id: uuid.UUID) -> str:
    """A keyed hash: an id is no secret, and who knew the salt could ask with it on a leaky engine port.

    The alphabet avoids what vLLM forbids in a salt (`@`, `/`, backslash, NUL).
    """
    digest = hmac.digest(secret.encode(), b"prompt-cache:" + user_id.bytes, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
