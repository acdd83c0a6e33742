"""The limits that apply to one account now, each with where it comes from."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields

from django.db.models import Q

from accounts.limits.rows import default_allowances, read_rows
from accounts.limits.rules import Allowance, LimitBook
from accounts.models import Limit, LimitKind, LimitSubject, Role, User
from gateway.conf import GatewayConfig, get_config

SETTINGS = {
    LimitKind.REQUESTS: ("RATE_LIMIT_REQUESTS", "RATE_LIMIT_WINDOW"),
    LimitKind.TOKENS: ("TOKEN_LIMIT", "TOKEN_WINDOW"),
    LimitKind.STREAMS: ("MAX_CONCURRENT_STREAMS",),
}
"""Which settings say what applies where no row does: the number, then its window."""


@dataclass(frozen=True)
class LimitInForce:
    """What applies to an account for one kind."""

    kind: LimitKind
    allowance: Allowance | None
    """None: no limit."""
    source: LimitSubject | None
    """Whose row of the table says so; None: the settings."""
    row_id: uuid.UUID | None
    """Of that row."""
    usual_window_s: int | None
    """The window that a limit would have that is set where there is none; None for answers at a time."""
    settings: tuple[str, ...] = ()
    """The names of the settings that say so, as far as they differ from what is shipped."""
    group_name: str = ""
    """Of the group that says so."""

    @property
    def is_own(self) -> bool:
        return self.source is LimitSubject.USER


def list_limits_in_force(user: User) -> list[LimitInForce]:
    """What applies to `user` now, for each kind; one query."""
    rows = list(
        Limit.objects.filter(
            Q(subject=LimitSubject.DEFAULT)
            | Q(subject=LimitSubject.ROLE, role=user.role)
            | Q(subject=LimitSubject.GROUP, group__memberships__user=user)
            | Q(subject=LimitSubject.USER, user=user)
        ).select_related("group")
    )
    plain = list(read_rows(rows))
    by_target = {(each.subject, each.target, each.kind): row for each, row in zip(plain, rows, strict=True)}
    groups = [str(row.group_id) for row in rows if row.group_id]
    config = get_config()
    defaults = default_allowances(config)
    book, changed = LimitBook(plain, defaults, {user.pk: groups}), _find_changed_settings(config)
    found = []
    for kind in LimitKind:
        allowance, source, target = book.find_account_limit(kind, user_id=user.pk, role=Role(user.role))
        window_s = (allowance or defaults[kind]).window_s or None
        settings = () if source else tuple(name for name in SETTINGS[kind] if name in changed)
        row = by_target[source, target, kind] if source else None
        group_name = row.group.name if row and row.group else ""
        found.append(
            LimitInForce(kind, allowance, source, row.pk if row else None, window_s, settings, group_name)
        )
    return found


def limits_of_account(user: User) -> dict[LimitKind, Allowance | None]:
    """What applies to the account now; one query."""
    return {limit.kind: limit.allowance for limit in list_limits_in_force(user)}


def _find_changed_settings(config: GatewayConfig) -> set[str]:
    """The settings whose value is not the one that is shipped."""
    return {item.metadata["name"] for item in fields(config) if getattr(config, item.name) != item.default}
