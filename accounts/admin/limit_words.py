"""Limits in words: how much, for how long, and where it comes from."""

from __future__ import annotations

from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from accounts.limits.in_force import LimitInForce
from accounts.limits.rules import Allowance
from accounts.models import LimitKind, LimitSubject, Role

DAY_S, HOUR_S, MINUTE_S = 86_400, 3600, 60


def say_kind(kind: LimitKind) -> str:
    match kind:
        case LimitKind.REQUESTS:
            return gettext("Requests")
        case LimitKind.TOKENS:
            return gettext("Tokens")
    return gettext("Answers at a time")


def say_allowance(allowance: Allowance | None) -> str:
    """`60 per minute`, `8`, or that there is no limit."""
    if allowance is None or not allowance.value:
        return gettext("No limit")
    count = say_count(allowance.value)
    if not allowance.window_s:
        return count
    return gettext("{count} {window}").format(count=count, window=say_window(allowance.window_s))


def say_count(number: int) -> str:
    """With its thousands apart, as the reader's language writes them."""
    return number_format(number, use_l10n=True, force_grouping=True)


def say_window(window_s: int) -> str:
    """`per hour`, `in 5 minutes`: in the largest unit of which it is a whole number."""
    if window_s % DAY_S == 0:
        count, text = window_s // DAY_S, ngettext("per day", "in {count} days", window_s // DAY_S)
    elif window_s % HOUR_S == 0:
        count, text = window_s // HOUR_S, ngettext("per hour", "in {count} hours", window_s // HOUR_S)
    elif window_s % MINUTE_S == 0:
        count, text = window_s // MINUTE_S, ngettext("per minute", "in {count} minutes", window_s // MINUTE_S)
    else:
        count, text = window_s, ngettext("per second", "in {count} seconds", window_s)
    return text.format(count=count)


def say_source(limit: LimitInForce, role: Role) -> str:
    match limit.source:
        case LimitSubject.USER:
            return gettext("set for this account")
        case LimitSubject.GROUP:
            return gettext("from the group {group}").format(group=limit.group_name)
        case LimitSubject.ROLE:
            return gettext("from the role {role}").format(role=role.label)
        case LimitSubject.DEFAULT:
            return gettext("from the limit for everybody")
    if limit.settings:
        return gettext("from the settings: {names}").format(names=", ".join(limit.settings))
    return gettext("default of the gateway")
