"""Log-in, registration and changes of accounts."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from accounts import hashing
from accounts.audit import record_audit
from accounts.change_origin import COMMAND, ChangeOrigin
from accounts.login_trail import record_failed_login, record_login
from accounts.models import AuditEvent, Role, Session, User
from accounts.models.users import COMPARED_FORMS
from accounts.names import check_newcomers_name
from accounts.sessions import end_sessions_within_change, mark_ended
from accounts.stamps import account_change
from accounts.tokens import TokenPair, issue_pair
from gateway.conf import get_config
from gateway.errors import InvalidCredentials, InvalidRequest, PermissionDenied


def log_in(
    *, request: HttpRequest, username: str, password: str, origin: ChangeOrigin
) -> tuple[User, TokenPair]:
    """A new session for the right password. Raises InvalidCredentials for a wrong name and password alike."""
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        record_failed_login(account=User.objects.find_by_login(username), origin=origin)
        raise InvalidCredentials
    with transaction.atomic():
        update_last_login(User, user)
        pair = issue_pair(user, origin)
        record_login(user=user, session_id=pair.session_id, origin=origin)
    return user, pair


def register(
    *, username: str, password: str, email: str | None = None, origin: ChangeOrigin
) -> tuple[User, TokenPair]:
    """A plain user's account and its first session. Raises as `register_account`."""
    user = register_account(username=username, password=password, email=email, origin=origin)
    return user, issue_pair(user, origin)


def register_account(*, username: str, password: str, email: str | None = None, origin: ChangeOrigin) -> User:
    """A plain user's account. Raises PermissionDenied unless REGISTRATION is on, and InvalidRequest."""
    if not get_config().is_registration_open:
        raise PermissionDenied("Registration is switched off. Ask an administrator for an account.")
    try:
        check_newcomers_name(username)
    except ValidationError as exc:
        raise InvalidRequest(" ".join(exc.messages), param="username") from exc
    return create_account(
        username=username, password=password, email=email, role=Role.USER, origin=origin, is_registration=True
    )


def create_account(
    *,
    username: str,
    password: str,
    email: str | None = None,
    role: Role,
    origin: ChangeOrigin,
    is_registration: bool = False,
) -> User:
    """A new account, on record. Raises InvalidRequest naming the field that is wrong or taken."""
    check_password_rules(password, User(username=username, email=email), param="password")
    action = AuditEvent.Action.USER_REGISTERED if is_registration else AuditEvent.Action.USER_CREATED
    try:
        # The place first: SQLite's one writer must not wait for it.
        with hashing.hashing_gate().place(), transaction.atomic():
            user = User.objects.create_user(username, email, password, role=role)
            record_audit(origin=origin, action=action, target=user, changes={"role": [None, role]})
    except ValidationError as exc:
        raise _invalid_field(exc) from exc
    except IntegrityError as exc:  # somebody else was quicker than the check
        raise InvalidRequest("This user name or e-mail address is taken.", param="username") from exc
    return user


def change_profile(*, user: User, changes: Mapping[str, Any]) -> User:
    """Change what an account's owner may change. Raises InvalidRequest when the e-mail address is taken."""
    for name, value in changes.items():
        setattr(user, name, value)
    columns = [*changes]
    try:
        if "email" in changes:
            user.clean_email()
            columns += COMPARED_FORMS["email"]
        with account_change(user.pk):
            user.save(update_fields=columns)
    except ValidationError as exc:
        raise _invalid_field(exc) from exc
    except IntegrityError as exc:  # somebody else was quicker than the check
        raise InvalidRequest("This e-mail address is taken.", param="email") from exc
    return user


def change_own_password(
    *, request: HttpRequest, user: User, current: str, new: str, origin: ChangeOrigin
) -> TokenPair:
    """Set a new password and answer a new session's pair; every other session and cookie ends.

    API keys stay: they are revoked by name. Attempts count like log-ins. Raises InvalidRequest (`current`
    is wrong, `new` too weak) or RateLimitExceeded.
    """
    if authenticate(request, username=user.username, password=current) != user:
        record_failed_login(account=user, origin=origin)
        raise InvalidRequest("This is not the current password.", param="current")
    check_password_rules(new, user, param="new")
    set_new_password(user=user, password=new, origin=origin, action=AuditEvent.Action.PASSWORD_CHANGED)
    return issue_pair(user, origin)


def set_new_password(
    *,
    user: User,
    password: str | None,
    origin: ChangeOrigin,
    action: AuditEvent.Action = AuditEvent.Action.PASSWORD_RESET,
) -> None:
    """Store the password (None: none works) and end every session.

    Raises InvalidRequest when the password was changed meanwhile.
    """
    old_hash = user.password
    user.set_password(password)
    with account_change(user.pk):
        # Two changes at a time: the second one was asked for with a password that is no longer current.
        changed = User.objects.filter(pk=user.pk, password=old_hash).update(password=user.password)
        if not changed:
            raise InvalidRequest("The password was changed a moment ago.", param="current")
        end_sessions_within_change(user, Session.EndReason.PASSWORD)
        record_audit(origin=origin, action=action, target=user)


def record_password_reset(*, user: User, origin: ChangeOrigin) -> bool:
    """Put on record that the stored password is no longer `user`'s; False when it still is.

    For Django's own form, which has saved the password and the account's next version. To be called inside
    `account_change`.
    """
    if not User.objects.filter(pk=user.pk).exclude(password=user.password).exists():
        return False
    mark_ended(user, Session.EndReason.PASSWORD)
    record_audit(origin=origin, action=AuditEvent.Action.PASSWORD_RESET, target=user)
    return True


def check_password_rules(password: str, user: User, *, param: str) -> None:
    """Raises InvalidRequest with what is wrong with the password."""
    try:
        validate_password(password, user)
    except ValidationError as exc:
        raise InvalidRequest(" ".join(exc.messages), param=param) from exc


def record_rights(*, user: User, before: Mapping[str, Any], origin: ChangeOrigin) -> None:
    """Put a change of role, activation or rights on record; ends the sessions of a deactivated account.

    To be called inside `account_change`, with the fields as they were before. Raises PermissionDenied when
    the actor means the account it acts with: nobody grants themselves a role, or locks themselves out.
    """
    changes = {name: [old, getattr(user, name)] for name, old in before.items() if getattr(user, name) != old}
    if changes and origin.actor is not None and origin.actor.pk == user.pk:
        raise PermissionDenied("Nobody changes their own role, activation or rights.")
    if "role" in changes:
        record_audit(
            origin=origin,
            action=AuditEvent.Action.ROLE_CHANGED,
            target=user,
            changes={"role": changes["role"]},
        )
    if "may_view_texts" in changes:
        record_audit(
            origin=origin,
            action=AuditEvent.Action.USER_CHANGED,
            target=user,
            changes={"may_view_texts": changes["may_view_texts"]},
        )
    if "is_active" in changes:
        action = AuditEvent.Action.USER_ACTIVATED if user.is_active else AuditEvent.Action.USER_DEACTIVATED
        record_audit(origin=origin, action=action, target=user)
        if not user.is_active:
            end_sessions_within_change(user, Session.EndReason.DEACTIVATED)


def set_active(*, user: User, is_active: bool, origin: ChangeOrigin) -> bool:
    """Activate or deactivate an account; False when it is so already. Raises PermissionDenied."""
    if user.is_active == is_active:
        return False
    with account_change(user.pk):
        before = {"is_active": user.is_active}
        user.is_active = is_active
        User.objects.filter(pk=user.pk).update(is_active=is_active)
        record_rights(user=user, before=before, origin=origin)
    return True


@dataclass(frozen=True)
class SeededUser:
    username: str
    made_up_password: str = ""
    """To be shown once; empty unless the account is new and no password was given."""
    is_new: bool = False
    is_password_changed: bool = False


def seed_user(*, username: str, password: str, role: Role, keep_password: bool = False) -> SeededUser:
    """Make sure the account exists, with `password` if one is given. Idempotent.

    Without a password a new account gets a made-up one, and an existing one keeps its own; with
    `keep_password` it does in any case.
    """
    user = User.objects.find_by_login(username)
    if user is None:
        made_up = "" if password else secrets.token_urlsafe(12)
        with transaction.atomic():
            user = User.objects.create_user(username, password=password or made_up, role=role)
            changes = {"role": [None, role]}
            record_audit(origin=COMMAND, action=AuditEvent.Action.USER_CREATED, target=user, changes=changes)
        return SeededUser(username, made_up, is_new=True)
    if password and not keep_password and not user.check_password(password):
        set_new_password(user=user, password=password, origin=COMMAND)
        return SeededUser(username, is_password_changed=True)
    return SeededUser(username)


def _invalid_field(exc: ValidationError) -> InvalidRequest:
    if not hasattr(exc, "error_dict"):
        return InvalidRequest(" ".join(exc.messages))
    name, messages = next(iter(exc.message_dict.items()))
    if name == "__all__":  # the only constraint over several fields, or over an expression: the address
        return InvalidRequest("This e-mail address is taken.", param="email")
    return InvalidRequest(" ".join(messages), param=name)
