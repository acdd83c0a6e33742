"""Limits, to set."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext

from accounts.admin.base import admin_origin
from accounts.limits.rows import delete_limit, save_limit
from accounts.models import Limit
from gateway.admin_lists import DeclaredFilters
from gateway.wording import say


@admin.register(Limit)
class LimitAdmin(DeclaredFilters):
    list_display = ["target", "kind", "amount", "subject", "updated_at"]
    list_filter = ["subject", "kind", "role"]
    list_select_related = ["user", "api_key", "group"]
    search_fields = [
        "user__username",
        "user__email",
        "group__name",
        "api_key__name",
        "api_key__prefix",
        "network",
        "=role",
    ]
    autocomplete_fields = ["group", "user", "api_key"]
    fieldsets = [
        ("Whom", {"fields": ["subject", "role", "group", "user", "api_key", "network"]}),
        ("How much", {"fields": ["kind", "value", "window_s"]}),
    ]

    @admin.display(description="whom")
    def target(self, limit: Limit) -> str:
        return say(limit.target, gettext)

    @admin.display(description="how much", ordering="value")
    def amount(self, limit: Limit) -> str:
        return say(limit.amount, gettext)

    def save_model(self, request: HttpRequest, obj: Limit, form: Any, change: bool) -> None:
        save_limit(limit=obj, origin=admin_origin(request))

    def delete_model(self, request: HttpRequest, obj: Limit) -> None:
        delete_limit(limit=obj, origin=admin_origin(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Limit]) -> None:
        for limit in queryset:
            delete_limit(limit=limit, origin=admin_origin(request))
