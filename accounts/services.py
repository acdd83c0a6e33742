"""What accounts do: log in, refresh, be created."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from accounts.models import Role, User
from accounts.tokens import TokenPair, issue_pair, verify_refresh_token
from gateway.errors import AuthenticationFailed, InvalidCredentials, InvalidRequest


def log_in(*, request: HttpRequest, username: str, password: str) -> tuple[User, TokenPair]:
    """A token pair for the right password. Raises InvalidCredentials, whatever it was that was wrong."""
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        raise InvalidCredentials
    update_last_login(User, user)
    return user, issue_pair(user)


def refresh_session(*, refresh_token: str) -> tuple[User, TokenPair]:
    """A new pair for a valid refresh token. Raises AuthenticationFailed or TokenExpired."""
    user = User.objects.filter(pk=verify_refresh_token(refresh_token), is_active=True).first()
    if user is None:
        raise AuthenticationFailed("The account of this token is not active.")
    return user, issue_pair(user)


def change_profile(*, user: User, changes: Mapping[str, Any]) -> User:
    """Change what an account's owner may change. Raises InvalidRequest when the e-mail address is taken."""
    for name, value in changes.items():
        setattr(user, name, value)
    try:
        with transaction.atomic():
            user.save(update_fields=list(changes))
    except IntegrityError as exc:  # somebody else was quicker than the check
        raise InvalidRequest("This e-mail address is taken.", param="email") from exc
    return user


@dataclass(frozen=True)
class SeededUser:
    username: str
    made_up_password: str = ""
    """To be shown once; empty unless the account is new and no password was given."""
    is_new: bool = False
    is_password_changed: bool = False


def seed_user(*, username: str, password: str, role: Role) -> SeededUser:
    """Make sure the account exists, with `password` if one is given. Idempotent.

    Without a password a new account gets a made-up one, and an existing one keeps its own.
    """
    user = User.objects.filter(username=username).first()
    if user is None:
        made_up = "" if password else secrets.token_urlsafe(12)
        User.objects.create_user(username, password=password or made_up, role=role)
        return SeededUser(username, made_up, is_new=True)
    if password and not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
        return SeededUser(username, is_password_changed=True)
    return SeededUser(username)
