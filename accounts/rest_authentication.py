"""Credentials for Django REST framework; settings name these classes by their paths.

`request.user` is the account and `request.auth` the `Principal`, whichever credential was used. A request
counts here, as one of its account or of its address, before anything about it can be refused.
"""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from accounts.access_log import name_caller
from accounts.authentication import bearer_token, find_keys
from accounts.cookie_sessions import cookie_session_id
from accounts.keys import looks_like_key
from accounts.last_used import is_use_due, record_last_used
from accounts.limits.throttle import count_account, count_address
from accounts.models import User
from accounts.principals import Credential, Principal, check_credentials, principal_of_cookie
from accounts.scopes import scope_for_rest
from accounts.tokens import AccessTokenVerifier
from gateway.errors import AuthenticationFailed, PermissionDenied


class BearerAuthentication(BaseAuthentication):
    """Authenticates `Authorization: Bearer` with an access token or an API key; passes on without a header.

    API keys are admitted only where `accounts.scopes` allows it. Reads the database on every request.
    """

    verifier = AccessTokenVerifier()

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        try:
            credential, (user, principal) = self._check(header)
        except AuthenticationFailed:
            count_address(request._request)
            raise
        scope = getattr(request._request, "scope", {})
        name_caller(scope, user.pk, principal.kind, principal.key_id)
        count_account(request._request, user)
        _check_scope(principal, request)
        if is_use_due(principal.last_used_at):
            record_last_used([credential])
        return user, principal

    def _check(self, header: str) -> tuple[Credential, tuple[User, Principal]]:
        raw = bearer_token(header)
        credential = _recognise_key(raw) if looks_like_key(raw) else self.verifier.verify(raw).credential
        (result,) = check_credentials([credential])
        if isinstance(result, AuthenticationFailed):
            raise result
        return credential, result

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="gateway"'


class CookieAuthentication(SessionAuthentication):
    """Authenticates the admin's session cookie, with Django's CSRF check."""

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        found = super().authenticate(request)
        if found is None or not isinstance(found[0], User):
            # The last authentication class: the request stays anonymous.
            count_address(request._request)
            return None
        return found[0], principal_of_cookie(found[0], cookie_session_id(request._request))

    def enforce_csrf(self, request: Request) -> None:
        user = getattr(request._request, "user", None)
        if isinstance(user, User):
            count_account(request._request, user)
        super().enforce_csrf(request)


def _recognise_key(raw: str) -> Credential:
    (found,) = find_keys([raw])
    if isinstance(found, AuthenticationFailed):
        raise found
    return found


def _check_scope(principal: Principal, request: Request) -> None:
    if principal.scopes is None:
        return
    scope = scope_for_rest(request.method or "", request.path_info)
    if scope is None:
        raise PermissionDenied("API keys may not do that. Log in.")
    principal.require(scope)
