"""Password check for log-in, by user name or e-mail address."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts.limits.throttle import admit_login
from accounts.models import User
from accounts.oidc.break_glass import may_use_password
from gateway.conf import get_config

LOGIN_BACKEND = settings.AUTHENTICATION_BACKENDS[0]
"""Whose sessions those of every kind of sign-in are."""


class LoginBackend(ModelBackend):
    """Django's password check, with e-mail addresses allowed as the name.

    Counts the attempt, whichever form it came through. Takes as long for an unknown name as for a wrong
    password: either way one hash is computed. Under OIDC_ONLY every password but one is wrong. Raises
    RateLimitExceeded.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if not username or password is None:
            return None
        user = User.objects.find_by_login(username)
        if request is not None:
            admit_login(request, username=username, account=user)
        if user is None or not may_use_password(user, get_config()):
            User().set_password(password)
            return None
        is_right = user.check_password(password)
        return user if is_right and self.user_can_authenticate(user) else None

    def get_user(self, user_id: Any) -> User | None:
        user = User.objects.filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None
