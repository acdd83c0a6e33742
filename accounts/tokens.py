"""JWT pairs: issuing, verifying, refreshing. simplejwt signs and checks them."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.models import User
from gateway.errors import AuthenticationFailed, TokenExpired
from gateway.ids import parse_id

CACHED_TOKENS = 10_000


@dataclass(frozen=True)
class TokenPair:
    access_token: str
    refresh_token: str
    expires_in: int
    """Seconds until the access token expires."""


@dataclass(frozen=True)
class AccessClaims:
    user_id: uuid.UUID
    expires_at: float
    """Unix time in seconds."""


def issue_pair(user: User) -> TokenPair:
    """A fresh access and refresh token for `user`."""
    refresh = RefreshToken.for_user(user)
    access = refresh.access_token
    return TokenPair(str(access), str(refresh), int(access.lifetime.total_seconds()))


def verify_refresh_token(raw: str) -> uuid.UUID:
    """The user id of a valid refresh token. Raises AuthenticationFailed or TokenExpired."""
    return _claims(RefreshToken, raw, "refresh").user_id


class AccessTokenVerifier:
    """Verifies access tokens and remembers the good ones: a signature is checked once per token.

    A remembered token still ends at its own expiry. Whether its user is still welcome is not the
    token's business: `accounts.authentication` asks that on every request.
    """

    def __init__(self) -> None:
        # Django's threads share one verifier, and an LRU cache moves its entries even when read.
        self._lock = threading.Lock()
        self._verified: LRUCache[str, AccessClaims] = LRUCache(CACHED_TOKENS)

    def verify(self, raw: str) -> AccessClaims:
        """Raises AuthenticationFailed or TokenExpired."""
        with self._lock:
            claims = self._verified.get(raw)
        if claims is None:
            claims = _claims(AccessToken, raw, "access")
            with self._lock:
                self._verified[raw] = claims
        if claims.expires_at <= time.time():
            with self._lock:
                self._verified.pop(raw, None)
            raise TokenExpired
        return claims


def _claims(kind: Any, raw: str, name: str) -> AccessClaims:
    try:
        token = kind(raw)
    except ExpiredTokenError as exc:
        raise TokenExpired(f"The {name} token has expired.") from exc
    except (TokenError, ValueError) as exc:
        raise AuthenticationFailed(f"The {name} token is not valid.") from exc
    user_id = parse_id(token.get("user_id", ""))
    if user_id is None:
        raise AuthenticationFailed(f"The {name} token names no user.")
    return AccessClaims(user_id, float(token["exp"]))
