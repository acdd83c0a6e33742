"""What people think of answers. Their comments were written for whoever reads this."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from conversations.models import Feedback
from gateway.admin_lists import UncountedAdmin
from gateway.audit import ReadOnlyAdmin


@admin.register(Feedback)
class FeedbackAdmin(UncountedAdmin, ReadOnlyAdmin):
    """In the order of the answers, from the newest. The texts of the answers are not read."""

    change_list_template = "admin/conversations/feedback/change_list.html"
    list_display = ["answer", "owner", "answered_by", "rating", "reason", "comment", "updated_at"]
    list_filter = ["rating"]
    search_fields = ["owner__username", "reason", "comment"]
    search_ids = ["pk"]
    fields = [
        *("message", "owner", "answered_by", "rating", "reason", "comment", "created_at", "updated_at"),
    ]
    readonly_fields = ["answered_by", "created_at", "updated_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        names = [f.name for f in Feedback._meta.concrete_fields]
        rows = super().get_queryset(request).select_related("owner", "message")
        return rows.only(*names, "message__model", "owner__username")

    @admin.display(ordering="message_id")
    def answer(self, row: Feedback) -> str:
        return str(row.message_id)

    @admin.display
    def answered_by(self, row: Feedback) -> str:
        return row.message.model
