"""What an account's page shows beside its form: limits in force, today's use, keys and sessions."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from accounts.admin.limit_words import DAY_S, say_allowance, say_count, say_kind, say_source
from accounts.api_keys import list_api_keys
from accounts.limits.in_force import LimitInForce, list_limits_in_force
from accounts.limits.rules import Allowance
from accounts.models import ApiKey, DailyUsage, Limit, LimitKind, LimitSubject, Role, User
from accounts.models.limits import MAX_LIMIT, MAX_WINDOW_S
from accounts.sessions import list_sessions
from accounts.usage.log import usage_of_today


class AccountLimitForm(forms.Form):
    """A limit of one account, filled with what is in force."""

    value = forms.IntegerField(
        label=gettext_lazy("At most"),
        help_text=gettext_lazy("0: no limit."),
        validators=[MinValueValidator(0), MaxValueValidator(MAX_LIMIT)],
    )
    window_s = forms.IntegerField(
        label=gettext_lazy("Seconds"),
        validators=[MinValueValidator(1), MaxValueValidator(MAX_WINDOW_S)],
    )

    def __init__(self, limit: LimitInForce, data: Any = None) -> None:
        initial = {"value": limit.allowance.value if limit.allowance else 0, "window_s": limit.usual_window_s}
        super().__init__(data, auto_id=f"id_{limit.kind.value}_%s", initial=initial)
        for field in self.fields.values():
            field.widget.attrs["size"] = 10
        if limit.kind is LimitKind.STREAMS:
            del self.fields["window_s"]


@dataclass(frozen=True)
class LimitLine:
    """A limit in force as the page shows it."""

    limit: LimitInForce
    name: str
    amount: str
    source: str
    used: int | None
    """Of the limit, today; None where a day's use cannot be held against it."""
    use: str
    form: AccountLimitForm


@dataclass(frozen=True)
class KeyLine:
    key: ApiKey
    limits: list[str]
    """What applies to the key beside its account's limits."""


def describe_account(user: User, *, own_session: uuid.UUID | None) -> dict[str, Any]:
    """The context of the panels of `user`'s page; `own_session` is the one that looks at it. Five queries."""
    today = usage_of_today(user)
    keys = [key for key in list_api_keys(user) if _is_working(key)]
    return {
        "today": [
            (gettext("Requests today"), say_count(today.requests)),
            (gettext("Tokens read today"), say_count(today.prompt_tokens)),
            (gettext("Tokens written today"), say_count(today.completion_tokens)),
        ],
        "limit_lines": [_describe_limit(limit, user, today) for limit in list_limits_in_force(user)],
        "key_lines": _describe_keys(keys),
        "sessions": list(list_sessions(user)),
        "own_session": own_session,
    }


def _describe_limit(limit: LimitInForce, user: User, today: DailyUsage) -> LimitLine:
    used = {
        LimitKind.REQUESTS: today.requests,
        LimitKind.TOKENS: today.prompt_tokens + today.completion_tokens,
    }
    is_of_days = limit.allowance is not None and limit.allowance.window_s == DAY_S
    used_today = used.get(limit.kind) if is_of_days else None
    return LimitLine(
        limit=limit,
        name=say_kind(limit.kind),
        amount=say_allowance(limit.allowance),
        source=say_source(limit, Role(user.role)),
        used=used_today,
        use=say_count(used_today or 0),
        form=AccountLimitForm(limit),
    )


def _describe_keys(keys: list[ApiKey]) -> list[KeyLine]:
    limits: dict[uuid.UUID, list[str]] = {key.pk: [] for key in keys}
    for row in Limit.objects.filter(subject=LimitSubject.KEY, api_key__in=keys):
        if row.api_key_id is not None:
            amount = say_allowance(Allowance(row.value, row.window_s or 0))
            limits[row.api_key_id].append(f"{say_kind(LimitKind(row.kind))}: {amount}")
    return [KeyLine(key, limits[key.pk]) for key in keys]


def _is_working(key: ApiKey) -> bool:
    return key.ends_at is None or key.ends_at > timezone.now()
