"""How people leave: a complete copy of what the gateway has of them, and its removal for good.

What belongs to an account in apps that this one may not import is copied and removed by the classes that the
setting ACCOUNT_DATA names.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec
from django.conf import settings
from django.contrib.auth import authenticate
from django.db.models import Q
from django.http import HttpRequest
from django.utils.module_loading import import_string

from accounts.audit import record_audit
from accounts.change_origin import ChangeOrigin
from accounts.limits.rows import delete_limits_of
from accounts.login_trail import record_failed_login
from accounts.models import (
    ApiKey,
    AuditEvent,
    DailyUsage,
    ExternalIdentity,
    GroupMembership,
    Limit,
    Role,
    Session,
    User,
)
from accounts.serializers import UserSerializer
from accounts.stamps import account_change
from gateway.downloads import rows_entry
from gateway.errors import InvalidRequest, LastAdministrator
from gateway.zip_stream import ZipEntry, stream_zip

KEYS = (
    *("id", "name", "prefix", "scopes", "allowed_models", "created_at", "expires_at", "last_used_at"),
    *("revoked_at", "overlap_until"),
)
SESSIONS = (
    *("id", "kind", "created_at", "last_used_at", "expires_at", "user_agent", "address", "revoked_at"),
    "revoked_reason",
)
IDENTITIES = ("id", "issuer", "subject", "email", "created_at", "last_used_at")
GROUPS = ("group__name", "source", "created_at")
LIMITS = ("id", "kind", "subject", "value", "window_s")
EVENTS = ("id", "at", "last_at", "repeats", "via", "action", "target_type", "target_label", "address")
"""Columns that the copy holds: nothing of them opens anything."""


class AccountData(Protocol):
    """What an app has of accounts."""

    def list_entries(self, user_id: uuid.UUID) -> Iterator[ZipEntry]:
        """All of it, as files of an archive, each read while it is written."""

    def remove(self, user_id: uuid.UUID) -> None:
        """Remove all of it, inside the transaction that removes the account."""


def list_account_data() -> Iterable[AccountData]:
    return [import_string(path)() for path in settings.ACCOUNT_DATA]


def copy_account(user: User) -> Iterator[bytes]:
    """A zip archive with all that the gateway has of this account, without secrets."""
    return stream_zip(_list_entries(user))


def _list_entries(user: User) -> Iterator[ZipEntry]:
    described = {**UserSerializer(user).data, "last_login": user.last_login}
    yield ZipEntry("account.json", [msgspec.json.encode(described, enc_hook=str)])
    yield rows_entry("api_keys.json", ApiKey.objects.filter(user=user), KEYS)
    yield rows_entry("sessions.json", Session.objects.filter(user=user), SESSIONS)
    yield rows_entry("identities.json", ExternalIdentity.objects.filter(user=user), IDENTITIES)
    yield rows_entry("groups.json", GroupMembership.objects.filter(user=user).order_by("created_at"), GROUPS)
    yield rows_entry("limits.json", Limit.objects.filter(Q(user=user) | Q(api_key__user=user)), LIMITS)
    usage = [field.attname for field in DailyUsage._meta.concrete_fields if field.name not in {"id", "user"}]
    yield rows_entry("usage.json", DailyUsage.objects.filter(user=user), usage)
    about = Q(target_type=User._meta.model_name, target_id=str(user.pk))
    yield rows_entry("audit.json", AuditEvent.objects.filter(about | Q(actor_id=user.pk)), EVENTS)
    for data in list_account_data():
        yield from data.list_entries(user.pk)


def leave(*, request: HttpRequest, user: User, password: str, origin: ChangeOrigin) -> None:
    """Remove the caller's own account. Attempts count like log-ins.

    Raises InvalidRequest for a wrong password, RateLimitExceeded, and LastAdministrator.
    """
    if authenticate(request, username=user.username, password=password) != user:
        record_failed_login(account=user, origin=origin)
        raise InvalidRequest("This is not the password.", param="password")
    remove_account(user=user, origin=origin)


def remove_account(*, user: User, origin: ChangeOrigin) -> None:
    """Remove an account with all that belongs to it; what it did stays on the audit trail.

    Its answers that are running stop within seconds. Raises LastAdministrator when nobody else is one.
    """
    with account_change(user.pk):
        # Nothing new can refer to the account while its row is locked.
        User.objects.select_for_update().get(pk=user.pk)
        if user.role == Role.ADMIN and not _has_other_administrators(user):
            raise LastAdministrator
        delete_limits_of(users=[user], origin=origin)
        record_audit(origin=origin, action=AuditEvent.Action.USER_DELETED, target=user)
        for data in list_account_data():
            data.remove(user.pk)
        User.objects.get(pk=user.pk).delete()


def _has_other_administrators(user: User) -> bool:
    """Locked, so that of two who leave at a time one stays."""
    active = User.objects.select_for_update().filter(role=Role.ADMIN, is_active=True).order_by("pk")
    return any(pk != user.pk for pk in active.values_list("pk", flat=True))
