"""API keys, without the keys: who has which, and an end to them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from accounts.admin.base import admin_origin
from accounts.api_keys import revoke_api_key
from accounts.models import ApiKey
from gateway.admin_lists import UncountedAdmin
from gateway.audit import ReadOnlyAdmin


class WorkingFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("working", gettext("Working")), ("ended", gettext("Ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        now = timezone.now()
        ended = Q(revoked_at__isnull=False) | Q(expires_at__lte=now) | Q(overlap_until__lte=now)
        match self.value():
            case "working":
                return queryset.exclude(pk__in=ApiKey.objects.filter(ended).values("pk"))
            case "ended":
                return queryset.filter(ended)
        return queryset


@admin.register(ApiKey)
class ApiKeyAdmin(UncountedAdmin, ReadOnlyAdmin):
    list_display = [
        "name",
        "shown_prefix",
        "user",
        "scope_names",
        "created_at",
        "last_used_at",
        "ends_at",
        "revoking",
    ]
    list_filter = [WorkingFilter]
    list_select_related = ["user"]
    search_fields = ["name", "prefix", "user__username", "user__email"]
    search_ids = ["pk", "user"]
    actions = ["revoke"]
    fields = [
        *("name", "shown_prefix", "user", "scopes", "allowed_models"),
        *("created_at", "last_used_at", "expires_at", "replaced_by", "overlap_until", "revoked_at"),
    ]

    @admin.display(description="prefix")
    def shown_prefix(self, key: ApiKey) -> str:
        return key.shown_prefix

    @admin.display(description="scopes")
    def scope_names(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="ends")
    def ends_at(self, key: ApiKey) -> Any:
        return key.ends_at

    @admin.display(description=gettext_lazy("revoke"))
    def revoking(self, key: ApiKey) -> str:
        """A button that asks first; nothing for a key that has ended."""
        ends_at = key.ends_at
        if key.revoked_at is not None or (ends_at is not None and ends_at <= timezone.now()):
            return "–"
        return render_to_string("admin/accounts/apikey/revoke_cell.html", {"key": key})

    @admin.action(description="Revoke the selected API keys")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        revoked = sum(revoke_api_key(key=key, origin=admin_origin(request)) for key in queryset)
        text = gettext("{count} keys revoked.").format(count=revoked)
        self.message_user(request, text, messages.SUCCESS)
