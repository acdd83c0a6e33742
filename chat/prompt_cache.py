"""Separates the users in the engine's caches.

vLLM caches the computed beginnings of prompts and reuses them for equal ones. The time to the first token
then reveals whether another user has sent the same text. A salt for each user keeps cache entries apart.
Images and sounds are cached by the id that a client gives them, which is made each user's own as well.
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
    """A keyed hash: an id is no secret, and a salt that can be guessed could be used on an open engine port.

    The alphabet avoids what vLLM forbids in a salt (`@`, `/`, backslash, NUL).
    """
    digest = hmac.digest(secret.encode(), b"prompt-cache:" + user_id.bytes, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def private_media_id(media_id: str, *, secret: str, user_id: uuid.UUID) -> str:
    """A keyed hash: the same for the same user and id, another one for anybody else, whatever they send."""
    digest = hmac.digest(secret.encode(), b"media:" + user_id.bytes + media_id.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
