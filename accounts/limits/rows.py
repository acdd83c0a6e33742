"""Limits as rows: read them, change them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Max, Q

from accounts.audit import record_audit
from accounts.change_origin import ChangeOrigin
from accounts.limits.rules import Allowance, LimitRow
from accounts.models import ApiKey, AuditEvent, Limit, LimitKind, LimitSubject, User
from gateway.conf import GatewayConfig, get_config

RECORDED = ("kind", "subject", "role", "user_id", "api_key_id", "network", "value", "window_s")

Mark = tuple[int, datetime | None]
"""Changes whenever a row does, as long as the clocks of the web processes agree."""


@dataclass(frozen=True)
class Loaded:
    mark: Mark
    rows: tuple[LimitRow, ...] | None
    """None: as they were at the mark that was asked about."""


def load_limits(marks: Sequence[Mark | None]) -> list[Loaded]:
    """A handler of `gateway.batching`: for each mark what is there now, if that is something else."""
    found = Limit.objects.aggregate(count=Count("pk"), newest=Max("updated_at"))
    mark: Mark = (found["count"], found["newest"])
    rows = None if all(known == mark for known in marks) else tuple(read_rows(Limit.objects.all()))
    return [Loaded(mark, None if known == mark else rows) for known in marks]


def read_rows(limits: Iterable[Limit]) -> Iterable[LimitRow]:
    for limit in limits:
        target = limit.role or limit.user_id or limit.api_key_id or limit.network
        yield LimitRow(
            LimitSubject(limit.subject),
            str(target),
            LimitKind(limit.kind),
            Allowance(limit.value, limit.window_s or 0),
        )


def default_allowances(config: GatewayConfig | None = None) -> dict[LimitKind, Allowance]:
    """What applies where no row says otherwise."""
    config = config or get_config()
    return {
        LimitKind.REQUESTS: Allowance(config.rate_limit_requests, config.rate_limit_window_s),
        LimitKind.TOKENS: Allowance(config.token_limit, config.token_window_s),
        LimitKind.STREAMS: Allowance(config.max_concurrent_streams, 0),
    }


def read_address_limits() -> list[tuple[str, int, int]]:
    """The limits of addresses: network, number, window in seconds."""
    rows = Limit.objects.filter(subject=LimitSubject.ADDRESS, window_s__isnull=False)
    return [(row.network, row.value, row.window_s or 0) for row in rows]


def save_limit(*, limit: Limit, origin: ChangeOrigin) -> None:
    """Store a limit, new or changed, on record. Counts on every process within seconds."""
    with transaction.atomic():
        before = Limit.objects.filter(pk=limit.pk).values(*RECORDED).first()
        limit.save()
        after = {name: getattr(limit, name) for name in RECORDED}
        action = AuditEvent.Action.LIMIT_CHANGED if before else AuditEvent.Action.LIMIT_CREATED
        changes = _differences(before or {}, after)
        if changes:
            record_audit(origin=origin, action=action, target=limit, changes=changes)


def set_account_limit(
    *, user: User, kind: LimitKind, value: int, window_s: int | None, origin: ChangeOrigin
) -> Limit:
    """A limit of this account alone, in place of the one that it has; on record. Raises ValidationError."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # one at a time: there is one row for each kind
        found = Limit.objects.filter(subject=LimitSubject.USER, user=user, kind=kind).first()
        limit = found or Limit(subject=LimitSubject.USER, user=user, kind=kind)
        limit.value, limit.window_s = value, window_s
        limit.full_clean()
        save_limit(limit=limit, origin=origin)
    return limit


def remove_account_limit(*, user: User, kind: LimitKind, origin: ChangeOrigin) -> bool:
    """Remove the account's own limit, on record; False when it has none. Less specific ones count again."""
    limit = Limit.objects.filter(subject=LimitSubject.USER, user=user, kind=kind).first()
    if limit is None:
        return False
    delete_limit(limit=limit, origin=origin)
    return True


def delete_limit(*, limit: Limit, origin: ChangeOrigin) -> None:
    """Remove a limit, on record: what is less specific counts again."""
    with transaction.atomic():
        before = {name: getattr(limit, name) for name in RECORDED}
        record_audit(
            origin=origin,
            action=AuditEvent.Action.LIMIT_DELETED,
            target=limit,
            changes=_differences(before, {}),
        )
        limit.delete()


def delete_limits_of(
    *, users: Iterable[User] = (), keys: Iterable[ApiKey] = (), origin: ChangeOrigin
) -> None:
    """Remove what limits these accounts, their keys and these keys, on record: they are about to be deleted.

    To be called inside the transaction that deletes them.
    """
    gone = Q(user__in=users) | Q(api_key__user__in=users) | Q(api_key__in=keys)
    for limit in Limit.objects.filter(gone).select_related("user", "api_key"):
        delete_limit(limit=limit, origin=origin)


def _differences(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    pairs = {name: [_plain(before.get(name)), _plain(after.get(name))] for name in RECORDED}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _plain(value: object) -> object:
    """As JSON; what says nothing is null."""
    return str(value) if isinstance(value, uuid.UUID) else None if value == "" else value
