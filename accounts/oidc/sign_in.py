"""Finds, links and creates the account of an identity, and has role and groups follow the provider."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from django.contrib.auth.models import update_last_login
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import hashing
from accounts.api_keys import revoke_api_key
from accounts.audit import record_audit
from accounts.change_origin import ChangeOrigin
from accounts.groups import follow_claim
from accounts.models import ApiKey, AuditEvent, ExternalIdentity, Role, User
from accounts.names import check_newcomers_name, fold
from accounts.oidc.break_glass import is_break_glass
from accounts.oidc.claims import Identity
from accounts.oidc.refusals import Reason, SignInRefused
from accounts.services import record_rights, set_new_password
from accounts.stamps import account_change
from gateway.conf_sign_in import SignInConfig

MOST_NAMES = 12
"""Names that are tried for a new account."""


def sign_in(identity: Identity, *, config: SignInConfig, origin: ChangeOrigin) -> User:
    """The account of `identity`, found by its subject, else linked or created as the settings allow.

    Raises SignInRefused.
    """
    user = _find_linked(identity)
    if user is None:
        try:
            user = _link_or_create(identity, config, origin)
        except IntegrityError:  # the same person in another tab was quicker
            user = _find_linked(identity)
            if user is None:
                raise
    if not user.is_active:
        raise SignInRefused(Reason.INACTIVE)
    if identity.role is not None and not is_break_glass(user, config):
        _follow_role(user, identity.role, origin)
    if identity.groups is not None:
        follow_claim(user=user, values=identity.groups, origin=origin)
    _note_use(identity)
    update_last_login(User, user)
    return user


def find_account(identity: Identity) -> User | None:
    """Whose sign-in it would have been, for the audit trail."""
    return _find_linked(identity) or (User.objects.find_by_login(identity.email) if identity.email else None)


def _find_linked(identity: Identity) -> User | None:
    found = (
        ExternalIdentity.objects.select_related("user")
        .filter(issuer=identity.issuer, subject=identity.subject)
        .first()
    )
    return found.user if found else None


def _link_or_create(identity: Identity, config: SignInConfig, origin: ChangeOrigin) -> User:
    owner = User.objects.filter(folded_email=fold(identity.email)).first() if identity.email else None
    if owner is not None:
        if not config.oidc_link_by_email or is_break_glass(owner, config):
            raise SignInRefused(Reason.ADDRESS_TAKEN)
        if not owner.is_active:
            raise SignInRefused(Reason.INACTIVE)
        return _link(owner, identity, origin)
    if not config.oidc_signup:
        raise SignInRefused(Reason.UNKNOWN)
    return _create(identity, origin)


def _link(user: User, identity: Identity, origin: ChangeOrigin) -> User:
    """Give the account to whom the provider says its address belongs.

    Nobody has verified the address that an account has here. Whoever entered it may be waiting for its owner:
    nothing that was known before opens the account afterwards.
    """
    own = replace(origin, actor=user)
    # The place first: SQLite's one writer must not wait for it.
    with hashing.hashing_gate().place(), account_change(user.pk):
        _store_link(user, identity, own)
        set_new_password(user=user, password=None, origin=own)
        for key in ApiKey.objects.filter(user=user, revoked_at=None):
            revoke_api_key(key=key, origin=own)
    user.refresh_from_db()
    return user


def _create(identity: Identity, origin: ChangeOrigin) -> User:
    role = identity.role or Role.USER
    with hashing.hashing_gate().place():
        for name in islice(_suggest_names(identity), MOST_NAMES):
            try:
                check_newcomers_name(name)
                with transaction.atomic():
                    user = User.objects.create_user(name, identity.email or None, role=role)
                    own = replace(origin, actor=user)
                    changes: dict[str, object] = {"role": [None, role]}
                    record_audit(
                        origin=own, action=AuditEvent.Action.USER_CREATED, target=user, changes=changes
                    )
                    _store_link(user, identity, own)
            except ValidationError:  # reserved, taken, or none at all
                continue
            except IntegrityError:  # somebody else took it this moment, or the same person in another tab
                if (linked := _find_linked(identity)) is None:
                    continue
                return linked
            return user
    raise SignInRefused(Reason.BAD_ANSWER, "no user name can be made of the claims")


def _suggest_names(identity: Identity) -> Iterator[str]:
    """The provider's suggestion, the e-mail address before the @, then each with a number, then made-up ones.

    A name with an @ would have to be the account's address; what is before it is easier to read.
    """
    wanted = [identity.username.partition("@")[0], identity.email.partition("@")[0]]
    names = [name for part in wanted if (name := re.sub(r"[^\w.+-]+", "-", part).strip("-.")[:140])]
    yield from names
    for number in range(2, 5):
        yield from (f"{name}-{number}" for name in names[:1])
    while True:
        yield f"{names[0] if names else 'user'}-{secrets.token_hex(3)}"
        yield f"user-{secrets.token_hex(4)}"


def _store_link(user: User, identity: Identity, origin: ChangeOrigin) -> None:
    ExternalIdentity.objects.create(
        user=user, issuer=identity.issuer, subject=identity.subject, email=identity.email
    )
    record_audit(
        origin=origin,
        action=AuditEvent.Action.IDENTITY_LINKED,
        target=user,
        changes={"issuer": [None, identity.issuer], "subject": [None, identity.subject]},
    )


def _follow_role(user: User, role: Role, origin: ChangeOrigin) -> None:
    if user.role == role:
        return
    with account_change(user.pk):
        before = {"role": user.role}
        user.role = role
        User.objects.filter(pk=user.pk).update(role=role)
        # Nobody changes their own role: the provider did.
        record_rights(user=user, before=before, origin=replace(origin, actor=None))


def _note_use(identity: Identity) -> None:
    ExternalIdentity.objects.filter(issuer=identity.issuer, subject=identity.subject).update(
        last_used_at=timezone.now(), email=identity.email
    )
