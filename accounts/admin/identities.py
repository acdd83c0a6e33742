"""Who signs in to which account by the identity provider; administrators link and unlink."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.base import admin_origin
from accounts.models import ExternalIdentity
from accounts.oidc.links import link_identity, unlink_identity
from gateway.admin_lists import DeclaredFilters
from gateway.conf import get_config


@admin.register(ExternalIdentity)
class ExternalIdentityAdmin(DeclaredFilters):
    list_display = ["user", "email", "subject", "issuer", "created_at", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["user__username", "email", "=subject"]
    autocomplete_fields = ["user"]
    fields = ["user", "issuer", "subject"]

    def has_change_permission(self, request: HttpRequest, obj: ExternalIdentity | None = None) -> bool:
        """A pair that changes would be somebody else: unlink it, and link the other one."""
        return False

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"issuer": get_config().oidc_issuer} | super().get_changeform_initial_data(request)

    def save_model(self, request: HttpRequest, obj: ExternalIdentity, form: Any, change: bool) -> None:
        link_identity(identity=obj, origin=admin_origin(request))

    def delete_model(self, request: HttpRequest, obj: ExternalIdentity) -> None:
        unlink_identity(identity=obj, origin=admin_origin(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ExternalIdentity]) -> None:
        for identity in queryset.select_related("user"):
            unlink_identity(identity=identity, origin=admin_origin(request))
