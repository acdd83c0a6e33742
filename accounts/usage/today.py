"""What everybody has used today, for the operators' desk (the setting DESK_USAGE)."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Sum
from django.utils import timezone

from accounts.models import DailyUsage


def read_usage_today() -> dict[str, Any]:
    """Sums of the day that runs, in UTC, in one query."""
    day = timezone.now().date()
    return DailyUsage.objects.filter(day=day).aggregate(
        requests=Sum("requests", default=0),
        failed=Sum("failed", default=0),
        prompt_tokens=Sum("prompt_tokens", default=0),
        completion_tokens=Sum("completion_tokens", default=0),
        users=Count("user_id", distinct=True),
    ) | {"day": day.isoformat()}
