"""The caller of a REST view: the account, the principal and the origin of a change."""

from __future__ import annotations

from rest_framework.request import Request

from accounts.change_origin import ChangeOrigin, origin_of
from accounts.models import User, Via
from accounts.principals import Principal
from gateway.errors import AuthenticationFailed


def caller_of(request: Request) -> User:
    """The account behind an authenticated request. Raises AuthenticationFailed."""
    if not isinstance(request.user, User):
        raise AuthenticationFailed
    return request.user


def principal_of(request: Request) -> Principal | None:
    return request.auth if isinstance(request.auth, Principal) else None


def rest_origin(request: Request) -> ChangeOrigin:
    actor = request.user if isinstance(request.user, User) else None
    return origin_of(request, via=Via.REST, actor=actor)
