"""Where people are logged in, and an end to it."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext

from accounts.admin.base import admin_origin
from accounts.models import Session
from accounts.sessions import end_session
from gateway.admin_lists import UncountedAdmin
from gateway.audit import ReadOnlyAdmin


@admin.register(Session)
class SessionAdmin(UncountedAdmin, ReadOnlyAdmin):
    list_display = [
        "user",
        "kind",
        "user_agent",
        "address",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
        "revoked_reason",
    ]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter), "kind", "revoked_reason"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__email", "=address"]
    search_ids = ["pk", "user"]
    actions = ["end"]
    fields = [
        *("id", "user", "kind", "user_agent", "address", "created_at", "last_used_at", "expires_at"),
        *("revoked_at", "revoked_reason"),
    ]

    @admin.action(description="End the selected sessions")
    def end(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        ended = sum(
            end_session(session=session, origin=admin_origin(request))
            for session in queryset.select_related("user")
        )
        text = gettext("{count} sessions ended.").format(count=ended)
        self.message_user(request, text, messages.SUCCESS)
