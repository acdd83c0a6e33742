"""What is removed of accounts by and by: ended sessions and keys, old usage and lines of the audit trail."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.sessions.models import Session as CookieSession
from django.db.models import Q

from accounts.api_keys import prune_keys
from accounts.models import AuditEvent, DailyUsage
from accounts.sessions import prune_sessions
from gateway.conf import get_config
from gateway.database.pruning import PruneFigure, prune_rows
from gateway.wording import fill_in

ENDED_DAYS = 30
"""How long sessions and API keys are listed after they ended."""


def prune_accounts(now: datetime, *, is_dry_run: bool) -> list[PruneFigure]:
    """Remove what is due, or only count it: the numbers are the same."""
    ended = timedelta(days=ENDED_DAYS)
    return [
        PruneFigure(
            name="sessions",
            what=fill_in("Sessions that ended more than {days} days ago", days=ENDED_DAYS),
            count=prune_sessions(older_than=ended, is_dry_run=is_dry_run),
        ),
        PruneFigure(
            name="api_keys",
            what=fill_in("API keys that ended more than {days} days ago", days=ENDED_DAYS),
            count=prune_keys(older_than=ended, is_dry_run=is_dry_run),
        ),
        PruneFigure(
            name="cookies",
            what=fill_in("Cookies that have expired"),
            count=prune_rows(CookieSession.objects.filter(expire_date__lt=now), is_dry_run=is_dry_run),
        ),
        *_prune_usage(now, is_dry_run=is_dry_run),
        *_prune_audit(now, is_dry_run=is_dry_run),
    ]


def _prune_usage(now: datetime, *, is_dry_run: bool) -> list[PruneFigure]:
    days = get_config().usage_days
    if not days:
        return []
    due = DailyUsage.objects.filter(day__lt=now.date() - timedelta(days=days))
    what = fill_in("Daily usage of more than {days} days ago", days=days)
    return [PruneFigure(name="usage", what=what, count=prune_rows(due, is_dry_run=is_dry_run))]


def _prune_audit(now: datetime, *, is_dry_run: bool) -> list[PruneFigure]:
    days = get_config().audit_days
    if not days:
        return []
    limit = now - timedelta(days=days)
    due = AuditEvent.objects.filter(Q(last_at=None) | Q(last_at__lt=limit), at__lt=limit)
    what = fill_in("Lines of the audit trail of more than {days} days ago", days=days)
    return [PruneFigure(name="audit", what=what, count=prune_rows(due, is_dry_run=is_dry_run))]
