"""The audit trail, to read."""

from __future__ import annotations

from django.contrib import admin

from accounts.models import AuditEvent
from gateway.admin_lists import UncountedAdmin, typed
from gateway.audit import ReadOnlyAdmin


@admin.register(AuditEvent)
class AuditEventAdmin(UncountedAdmin, ReadOnlyAdmin):
    list_display = ["at", "actor_name", "action", "target_type", "target_label", "repeats", "via", "address"]
    list_filter = ["via", typed("action"), typed("target_type")]
    search_fields = ["actor_name", "target_label", "=target_id", "=request_id", "=address"]
