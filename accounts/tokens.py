"""Signs and verifies pairs of JWTs, with simplejwt. A pair belongs to a `Session`."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cachetools import LRUCache
from django.utils import timezone
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from accounts.change_origin import SYSTEM, ChangeOrigin
from accounts.models import Session, User
from accounts.principals import Credential, CredentialKind
from gateway.errors import AuthenticationFailed, TokenExpired
from gateway.ids import parse_id
from gateway.wording import fill_in

CACHED_TOKENS = 10_000
SESSION_CLAIM = "sid"


@dataclass(frozen=True)
class TokenPair:
    access_token: str
    refresh_token: str
    expires_in: int
    """Seconds until the access token expires."""
    session_id: uuid.UUID


@dataclass(frozen=True)
class Claims:
    """The claims of a token whose signature is right."""

    credential: Credential
    jti: str
    expires_at: float
    """Unix time in seconds, without leeway."""


def issue_pair(user: User, origin: ChangeOrigin = SYSTEM) -> TokenPair:
    """Opens a session of `user` and answers its first pair."""
    return sign_pair(open_session(user, origin, life=api_settings.REFRESH_TOKEN_LIFETIME))


def issue_passing_token(user: User, *, life: timedelta, client: str) -> str:
    """An access token whose session ends with it, for a terminal's scroll-back and not for an application.

    `client` is what lists of sessions call it; the session of an earlier one goes on, so that there is one.
    """
    now = timezone.now()
    earlier = Session.objects.filter(user=user, user_agent=client, kind=Session.Kind.TOKENS)
    earlier = earlier.filter(revoked_at=None, expires_at__gt=now, account_version=user.token_version)
    session = earlier.first()
    if session is None:
        session = open_session(user, replace(SYSTEM, user_agent=client), life=life)
    else:
        session.expires_at, session.last_used_at = now + life, now
        session.save(update_fields=["expires_at", "last_used_at"])
    return str(_sign_access(session, life=life))


PAGE_TOKEN_LIFE = timedelta(minutes=30)
"""It lives in a page's memory, which asks for another one before it ends."""


def issue_page_token(session: Session) -> tuple[str, int]:
    """An access token of a cookie's session, with which it ends, and the seconds that it lives at most."""
    return str(_sign_access(session, life=PAGE_TOKEN_LIFE)), int(PAGE_TOKEN_LIFE.total_seconds())


def open_session(
    user: User, origin: ChangeOrigin, *, life: timedelta, kind: Session.Kind = Session.Kind.TOKENS
) -> Session:
    """A new session of `user`, which ends after `life` unless it is refreshed."""
    now = timezone.now()
    return Session.objects.create(
        user=user,
        kind=kind,
        account_version=user.token_version,
        created_at=now,
        last_used_at=now,
        rotated_at=now,
        expires_at=now + life,
        refresh_jti=new_jti(),
        user_agent=origin.user_agent,
        address=origin.address,
    )


def sign_pair(session: Session) -> TokenPair:
    """A new access token, and the session's one current refresh token: the same text on every call."""
    refresh = RefreshToken()
    _describe(refresh, session)
    refresh["jti"] = session.refresh_jti
    refresh["iat"] = _epoch(session.rotated_at)
    refresh["exp"] = _epoch(session.expires_at)
    access = _sign_access(session, life=AccessToken.lifetime)
    return TokenPair(str(access), str(refresh), int(AccessToken.lifetime.total_seconds()), session.pk)


def new_jti() -> str:
    return uuid.uuid4().hex


def verify_refresh_token(raw: str) -> Claims:
    """The claims of a genuine refresh token. Raises AuthenticationFailed or TokenExpired."""
    return _verify(RefreshToken, raw, "refresh")


class AccessTokenVerifier:
    """Verifies access tokens and remembers the good ones: a signature is checked once per token.

    A cached token still ends at its own expiry. Whether its session has ended is checked by
    `accounts.authentication`, on every request.
    """

    def __init__(self) -> None:
        # Django's threads share one verifier, and an LRU cache moves its entries even when read.
        self._lock = threading.Lock()
        self._verified: LRUCache[str, Claims] = LRUCache(CACHED_TOKENS)
        self._leeway_s = float(api_settings.LEEWAY)

    def verify(self, raw: str) -> Claims:
        """Raises AuthenticationFailed or TokenExpired."""
        with self._lock:
            claims = self._verified.get(raw)
        if claims is None:
            claims = _verify(AccessToken, raw, "access")
            with self._lock:
                self._verified[raw] = claims
        if claims.expires_at + self._leeway_s <= time.time():
            with self._lock:
                self._verified.pop(raw, None)
            raise TokenExpired
        return claims


def _verify(kind: Any, raw: str, name: str) -> Claims:
    try:
        token = kind(raw)
    except ExpiredTokenError as exc:
        raise TokenExpired(fill_in("The {name} token has expired.", name=name)) from exc
    except (TokenError, ValueError) as exc:
        raise AuthenticationFailed(fill_in("The {name} token is not valid.", name=name)) from exc
    user_id, session_id = parse_id(token.get("user_id", "")), parse_id(token.get(SESSION_CLAIM, ""))
    if user_id is None or session_id is None:
        raise AuthenticationFailed(fill_in("The {name} token names no user and session.", name=name))
    credential = Credential(CredentialKind.SESSION, session_id, user_id)
    return Claims(credential, str(token["jti"]), float(token["exp"]))


def _sign_access(session: Session, *, life: timedelta) -> AccessToken:
    access = AccessToken()
    access.set_exp(lifetime=life)
    _describe(access, session)
    return access


def _describe(token: Token, session: Session) -> None:
    token["user_id"] = str(session.user_id)
    token[SESSION_CLAIM] = str(session.id)


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
