"""What the pages share."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.change_origin import ChangeOrigin, origin_of
from accounts.models import User, Via


def admin_origin(request: HttpRequest) -> ChangeOrigin:
    """The administrator who is changing something, for services and the audit trail."""
    return origin_of(request, via=Via.ADMIN, actor=request.user if isinstance(request.user, User) else None)


class LookOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable
    """Rows to look at; what may be done with them are the page's actions."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
