"""What was used, to look at and to take away as CSV."""

from __future__ import annotations

import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from accounts.admin.usage_charts import show_charts
from accounts.models import NO_KEY, ApiKey, DailyUsage
from accounts.usage.report import DELETED_KEY, GROUPS, MICROS, MOST_DAYS
from gateway.admin_lists import UncountedAdmin, UntilFilter, typed
from gateway.audit import ReadOnlyAdmin
from gateway.conf import get_config


class UsageUntilFilter(UntilFilter):
    """By the day itself: rows of usage have numbers for ids."""

    @classmethod
    def before(cls, queryset: QuerySet[Any], day: datetime.date) -> QuerySet[Any]:
        return queryset.filter(day__lt=day)


@admin.register(DailyUsage)
class DailyUsageAdmin(UncountedAdmin, ReadOnlyAdmin):
    change_list_template = "admin/accounts/usage_change_list.html"
    list_display = [
        *("day", "user", "model", "api_key", "endpoint", "requests", "failed", "cancelled"),
        *("prompt_tokens", "completion_tokens", "mean_latency", "cost"),
    ]
    list_filter = [typed("model"), typed("endpoint")]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__email", "=model"]
    search_ids = ["key_id", "user_id"]
    until_filter = UsageUntilFilter

    def get_urls(self) -> list[Any]:
        charts = self.admin_site.admin_view(partial(show_charts, self.admin_site))
        return [path("charts/", charts, name="accounts_dailyusage_charts"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DailyUsage]:
        names = ApiKey.objects.filter(pk=OuterRef("key_id")).values("name")
        return super().get_queryset(request).annotate(key_name=Subquery(names))  # type: ignore[no-any-return]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), "download": download_query(request)}
        return super().changelist_view(request, context)

    @admin.display(description="API key")
    def api_key(self, row: Any) -> str:
        return "" if row.key_id == NO_KEY else row.key_name or DELETED_KEY

    @admin.display(description="latency", empty_value="")
    def mean_latency(self, row: DailyUsage) -> str | None:
        return f"{row.latency_ms / row.latency_count / 1000:.2f} s" if row.latency_count else None

    @admin.display(empty_value="")
    def cost(self, row: DailyUsage) -> str | None:
        return f"{row.cost_micros / MICROS:.4f} {get_config().cost_currency}" if row.cost_micros else None


def download_query(request: HttpRequest) -> str:
    """The query of GET /api/usage for everybody's rows of the days up to the chosen one."""
    try:
        last = datetime.date.fromisoformat(request.GET.get("until", ""))
    except ValueError:
        last = timezone.now().date()
    first = datetime.date.fromordinal(max(1, last.toordinal() - MOST_DAYS + 1))
    wanted = {"scope": "all", "from": first, "to": last, "group_by": ",".join(GROUPS), "format": "csv"}
    if model := request.GET.get("model"):
        wanted["model"] = model
    return urlencode(wanted)
