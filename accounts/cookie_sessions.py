"""Cookie sessions of the admin pages: each is a `Session`, listed and ended like a log-in by REST."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.access_log import name_caller
from accounts.change_origin import ChangeOrigin, origin_of
from accounts.last_used import is_use_due, record_last_used
from accounts.login_trail import record_logout
from accounts.models import Session, User, Via
from accounts.principals import Credential, CredentialKind, check_session
from accounts.sessions import mark_session_ended
from accounts.tokens import open_session
from gateway.errors import AuthenticationFailed
from gateway.ids import parse_id

SESSION_KEY = "_gateway_session"
"""Where Django's session data keep the id of the `Session`."""


class CookieSessionMiddleware(AuthenticationMiddleware):
    """Django's, but a cookie whose `Session` has ended is nobody's any more, from the next request on."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        find = partial(find_cookie_user, request)
        request.user = SimpleLazyObject(find)  # type: ignore[assignment]  # as Django does
        request.auser = sync_to_async(find)  # Django's would look no further


def find_cookie_user(request: HttpRequest) -> User | AnonymousUser:
    """The account that the request's cookie is logged in with; ends the cookie when its session has ended."""
    user = get_user(request)
    if not isinstance(user, User):
        return AnonymousUser()
    try:
        session = _find_session(request, user)
    except AuthenticationFailed:
        request.session.flush()
        return AnonymousUser()
    name_caller(getattr(request, "scope", {}), user.pk, CredentialKind.COOKIE)
    if is_use_due(session.last_used_at):
        record_last_used([Credential(CredentialKind.COOKIE, session.pk, user.pk)])
    return user


def open_cookie_session(request: HttpRequest, user: User) -> Session:
    """A session for the cookie that the request has logged in with; the one that it had is over."""
    if (previous := cookie_session_id(request)) is not None:
        mark_session_ended(previous, Session.EndReason.LOGOUT)
    session = open_session(
        user,
        origin_of(request, via=Via.ADMIN, actor=user),
        life=timedelta(seconds=request.session.get_expiry_age()),
        kind=Session.Kind.COOKIE,
    )
    request.session[SESSION_KEY] = str(session.pk)
    return session


def end_cookie_session(*, user: User, session_id: uuid.UUID, origin: ChangeOrigin) -> None:
    """Log out, on record; Django then forgets the cookie. Idempotent."""
    with transaction.atomic():
        if mark_session_ended(session_id, Session.EndReason.LOGOUT):
            record_logout(user=user, session_id=session_id, origin=origin)


def cookie_session_id(request: HttpRequest) -> uuid.UUID | None:
    found: Any = request.session.get(SESSION_KEY)
    return None if found is None else parse_id(found)


def _find_session(request: HttpRequest, user: User) -> Session:
    session_id = cookie_session_id(request)
    if session_id is None:  # logged in before cookies had sessions
        return open_cookie_session(request, user)
    session = Session.objects.filter(pk=session_id, user=user).first()
    if session is not None:
        session.user = user  # is loaded already
    return check_session(session)
