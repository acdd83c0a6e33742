"""The audit trail, to read."""

from __future__ import annotations

from django.contrib import admin

from accounts.models import AuditEvent
from gateway.audit import ReadOnlyAdmin


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    show_full_result_count = False
    list_display = ["at", "actor_name", "action", "target_type", "target_label", "repeats", "via", "address"]
    list_filter = ["via", "action", "target_type"]
    search_fields = ["actor_name", "target_label", "=target_id", "=request_id", "=address"]
    date_hierarchy = "at"
