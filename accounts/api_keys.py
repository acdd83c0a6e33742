"""API keys: issue, change, rotate, revoke. Nobody reaches a key that is not theirs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.audit import record_audit
from accounts.change_origin import COMMAND, ChangeOrigin
from accounts.keys import NewKey, make_key
from accounts.limits.rows import delete_limits_of
from accounts.models import ApiKey, AuditEvent, User
from accounts.stamps import account_change
from gateway.conf import get_config
from gateway.database.pruning import prune_rows
from gateway.errors import InvalidRequest, NotFound
from gateway.wording import fill_in

DEFAULT_OVERLAP_S = 24 * 3600
MAX_OVERLAP_S = 30 * 24 * 3600
MOST_LISTED = 200


@dataclass(frozen=True)
class IssuedKey:
    row: ApiKey
    key: str
    """The key itself: shown to its owner once, stored nowhere."""

    def __repr__(self) -> str:
        return f"IssuedKey({self.row.prefix})"


def list_api_keys(user: User) -> QuerySet[ApiKey]:
    """The user's keys, newest first, the ended ones too until they are pruned."""
    return ApiKey.objects.filter(user=user)[:MOST_LISTED]


def issue_api_key(
    *,
    user: User,
    name: str,
    scopes: Sequence[str],
    models: Sequence[str] = (),
    expires_at: datetime | None = None,
    origin: ChangeOrigin,
) -> IssuedKey:
    """A new key. Raises InvalidRequest when the account has as many as it may have."""
    with account_change(user.pk):
        _make_room(user, replaced=0)
        made = make_key()
        row = _store(made, user=user, name=name, scopes=scopes, models=models, expires_at=expires_at)
        changes = {"scopes": row.scopes, "models": row.allowed_models, "expires_at": _text(expires_at)}
        record_audit(origin=origin, action=AuditEvent.Action.KEY_ISSUED, target=row, changes=changes)
    return IssuedKey(row, made.key)


def change_api_key(
    *, user: User, key_id: uuid.UUID, changes: Mapping[str, object], origin: ChangeOrigin
) -> ApiKey:
    """Change name, scopes, allowed_models or expires_at of a key. Raises NotFound or InvalidRequest."""
    with account_change(user.pk):
        row = _own_key(user, key_id)
        _refuse_revoked(row)
        recorded = {name: [_text(getattr(row, name)), _text(value)] for name, value in changes.items()}
        for name, value in changes.items():
            setattr(row, name, value)
        row.save(update_fields=list(changes))
        record_audit(origin=origin, action=AuditEvent.Action.KEY_CHANGED, target=row, changes=recorded)
    return row


def rotate_api_key(
    *, user: User, key_id: uuid.UUID, overlap_s: int = DEFAULT_OVERLAP_S, origin: ChangeOrigin
) -> IssuedKey:
    """A key like this one in its place; the old one works for another `overlap_s` seconds.

    Raises NotFound, or InvalidRequest for a key that has ended or was rotated before.
    """
    with account_change(user.pk):
        old = _own_key(user, key_id)
        _refuse_revoked(old)
        if old.replaced_by_id is not None or not _is_working(old):
            raise InvalidRequest("This key has expired or was rotated before.")
        _make_room(user, replaced=1)
        made = make_key()
        new = _store(
            made,
            user=user,
            name=old.name,
            scopes=old.scopes,
            models=old.allowed_models,
            expires_at=old.expires_at,
        )
        old.replaced_by = new
        old.overlap_until = timezone.now() + timedelta(seconds=overlap_s)
        old.save(update_fields=["replaced_by", "overlap_until"])
        changes = {"replaced_by": str(new), "overlap_s": overlap_s}
        record_audit(origin=origin, action=AuditEvent.Action.KEY_ROTATED, target=old, changes=changes)
    return IssuedKey(new, made.key)


def revoke_own_key(*, user: User, key_id: uuid.UUID, origin: ChangeOrigin) -> None:
    """End a key at once. Idempotent. Raises NotFound for anybody else's."""
    key = ApiKey.objects.filter(pk=key_id, user=user).first()
    if key is None:
        raise NotFound
    revoke_api_key(key=key, origin=origin)


def revoke_api_key(*, key: ApiKey, origin: ChangeOrigin, is_forced: bool = False) -> bool:
    """End a key at once, forced also without Redis; False when it was revoked before."""
    with account_change(key.user_id, is_forced=is_forced):
        changed = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
        if changed:
            record_audit(origin=origin, action=AuditEvent.Action.KEY_REVOKED, target=key)
    return bool(changed)


def prune_keys(*, older_than: timedelta, is_dry_run: bool) -> int:
    """Delete keys that ended longer ago than that; how many."""
    limit = timezone.now() - older_than
    ended = ApiKey.objects.filter(
        Q(expires_at__lt=limit) | Q(overlap_until__lt=limit) | Q(revoked_at__lt=limit)
    )

    def remove_limits(keys: Sequence[Any]) -> None:
        delete_limits_of(keys=keys, origin=COMMAND)

    return prune_rows(ended, is_dry_run=is_dry_run, before_removal=remove_limits)


def _own_key(user: User, key_id: uuid.UUID) -> ApiKey:
    """The key, locked until the end of the transaction."""
    row = ApiKey.objects.select_for_update().filter(pk=key_id, user=user).first()
    if row is None:
        raise NotFound
    return row


def _refuse_revoked(row: ApiKey) -> None:
    if row.revoked_at is not None:
        raise InvalidRequest("This key is revoked.")


def _is_working(row: ApiKey) -> bool:
    return row.ends_at is None or row.ends_at > timezone.now()


def _make_room(user: User, *, replaced: int) -> None:
    """Raises InvalidRequest past the limit. Keys that were rotated and still work count as half a key."""
    User.objects.select_for_update().get(pk=user.pk)  # one at a time: counting and adding belong together
    now = timezone.now()
    working = ApiKey.objects.filter(user=user, revoked_at=None).exclude(expires_at__lte=now)
    working = working.exclude(overlap_until__lte=now)
    limit = get_config().max_api_keys
    current = working.filter(replaced_by=None).count() - replaced
    if current >= limit or working.count() >= 2 * limit:
        raise InvalidRequest(
            fill_in("An account may have {limit} working API keys. Revoke one first.", limit=limit)
        )


def _store(
    made: NewKey,
    *,
    user: User,
    name: str,
    scopes: Sequence[str],
    models: Sequence[str],
    expires_at: datetime | None,
) -> ApiKey:
    return ApiKey.objects.create(
        user=user,
        name=name,
        prefix=made.prefix,
        digest=made.digest,
        scopes=list(dict.fromkeys(scopes)),
        allowed_models=list(dict.fromkeys(models)),
        expires_at=expires_at,
    )


def _text(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
