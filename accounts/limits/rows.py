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
from accounts.models import (
    AccountGroup,
    ApiKey,
    AuditEvent,
    GroupMembership,
    Limit,
    LimitKind,
    LimitSubject,
    User,
)
from gateway.conf import GatewayConfig, get_config

RECORDED = ("kind", "subject", "role", "group_id", "user_id", "api_key_id", "network", "value", "window_s")

Mark = tuple[int, datetime | None, int, datetime | None]
"""Of limits, then of memberships of groups: how many there are, and the newest one's time.

Changes whenever a row does, as long as the clocks of the web processes agree.
"""


@dataclass(frozen=True)
class Loaded:
    mark: Mark
    rows: tuple[LimitRow, ...] | None
    """None: as they were at the mark that was asked about."""
    groups: Mapping[uuid.UUID, Sequence[str]] | None = None
    """With the rows: the groups with limits that each account is in."""


def load_limits(marks: Sequence[Mark | None]) -> list[Loaded]:
    """A handler of `gateway.batching`: for each mark what is there now, if that is something else."""
    found = Limit.objects.aggregate(count=Count("pk"), newest=Max("updated_at"))
    members = GroupMembership.objects.aggregate(count=Count("pk"), newest=Max("created_at"))
    mark: Mark = (found["count"], found["newest"], members["count"], members["newest"])
    if all(known == mark for known in marks):
        return [Loaded(mark, None)] * len(marks)
    rows, groups = tuple(read_rows(Limit.objects.all())), _read_groups()
    return [Loaded(mark, None) if known == mark else Loaded(mark, rows, groups) for known in marks]


def _read_groups() -> dict[uuid.UUID, list[str]]:
    limited = Limit.objects.filter(subject=LimitSubject.GROUP).values("group")
    groups: dict[uuid.UUID, list[str]] = {}
    pairs = GroupMembership.objects.filter(group__in=limited).order_by().values_list("user_id", "group_id")
    for user_id, group_id in pairs:
        groups.setdefault(user_id, []).append(str(group_id))
    return groups


def read_rows(limits: Iterable[Limit]) -> Iterable[LimitRow]:
    for limit in limits:
        target = limit.role or limit.group_id or limit.user_id or limit.api_key_id or limit.network
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
        limit = Limit.objects.filter(subject=LimitSubject.USER, user=user, kind=kind).first()
        limit = limit or Limit(subject=LimitSubject.USER, user=user, kind=kind)
        return _store_number(limit, value, window_s, origin)


def set_group_limit(
    *, group: AccountGroup, kind: LimitKind, value: int, window_s: int | None, origin: ChangeOrigin
) -> Limit:
    """A limit of each member of the group, in place of the one that it has; as `set_account_limit`."""
    with transaction.atomic():
        AccountGroup.objects.select_for_update().get(pk=group.pk)
        limit = Limit.objects.filter(subject=LimitSubject.GROUP, group=group, kind=kind).first()
        limit = limit or Limit(subject=LimitSubject.GROUP, group=group, kind=kind)
        return _store_number(limit, value, window_s, origin)


def _store_number(limit: Limit, value: int, window_s: int | None, origin: ChangeOrigin) -> Limit:
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
    *,
    users: Iterable[User] = (),
    keys: Iterable[ApiKey] = (),
    groups: Iterable[AccountGroup] = (),
    origin: ChangeOrigin,
) -> None:
    """Remove what limits these accounts, their keys, these keys and groups, all of them about to be deleted.

    On record. To be called inside the transaction that deletes them.
    """
    gone = Q(user__in=users) | Q(api_key__user__in=users) | Q(api_key__in=keys) | Q(group__in=groups)
    for limit in Limit.objects.filter(gone).select_related("user", "api_key", "group"):
        delete_limit(limit=limit, origin=origin)


def _differences(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    pairs = {name: [_plain(before.get(name)), _plain(after.get(name))] for name in RECORDED}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _plain(value: object) -> object:
    """As JSON; what says nothing is null."""
    return str(value) if isinstance(value, uuid.UUID) else None if value == "" else value
