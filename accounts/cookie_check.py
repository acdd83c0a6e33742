"""Whose cookie it is, for connections that last: they have one request at their beginning, and go on."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, parse_cookie

from accounts.cookie_sessions import cookie_session_id
from accounts.models import Session, User
from accounts.principals import Principal, check_session, principal_of_cookie
from accounts.session_store import SessionStore
from gateway.errors import AuthenticationFailed


def read_session_key(cookie_header: str | None) -> str:
    """The session cookie of a Cookie header; empty where there is none."""
    key: str = parse_cookie(cookie_header or "").get(settings.SESSION_COOKIE_NAME, "")
    return key


def check_cookies(items: Sequence[str]) -> list[Principal | AuthenticationFailed]:
    """For each key of a session its principal, or the error if its log-in has ended. A handler of
    `gateway.batching`; unlike a request of Django's it begins no session and records no use."""
    return [_check(key) for key in items]


def _check(key: str) -> Principal | AuthenticationFailed:
    request = HttpRequest()
    request.session = SessionStore(key)
    try:
        user = get_user(request)
        session_id = cookie_session_id(request)
        if not key or not isinstance(user, User) or session_id is None:
            raise AuthenticationFailed
        session = Session.objects.select_related("user").filter(pk=session_id, user=user).first()
        check_session(session)
    except AuthenticationFailed as refusal:
        return refusal
    return principal_of_cookie(user, session_id)
