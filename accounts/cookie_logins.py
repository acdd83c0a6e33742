"""Log-ins by a form, whichever page has it: its cookie gets a `Session`, and the attempt is on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from accounts.change_origin import origin_of
from accounts.cookie_sessions import cookie_session_id, end_cookie_session, open_cookie_session
from accounts.login_trail import record_failed_login, record_login
from accounts.models import User, Via


def record_cookie_login(request: HttpRequest, user: User, *, via: Via) -> None:
    session = open_cookie_session(request, user)
    record_login(user=user, session_id=session.pk, origin=origin_of(request, via=via))


def record_failed_cookie_login(request: HttpRequest, typed: Mapping[str, Any], *, via: Via) -> None:
    """`typed` is what the form made of its fields; it keeps to itself what cannot be a name."""
    if typed.keys() >= {"username", "password"}:
        account = User.objects.find_by_login(typed["username"])
        record_failed_login(account=account, origin=origin_of(request, via=via))


def end_cookie_login(request: HttpRequest, *, via: Via) -> None:
    """Before Django forgets the cookie."""
    session_id = cookie_session_id(request)
    if session_id is not None and isinstance(request.user, User):
        end_cookie_session(user=request.user, session_id=session_id, origin=origin_of(request, via=via))
