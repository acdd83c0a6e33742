"""Conversations and messages, which only the server writes. The lists show no text that users wrote.

The page of one row does, and a look at somebody else's is on record.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from conversations.models import Conversation, Message
from gateway.admin_lists import UncountedAdmin, typed
from gateway.audit import ReadOnlyAdmin


class WatchedAdmin(UncountedAdmin, ReadOnlyAdmin):
    """Rows with an `owner`, whose words nobody else reads without a trace."""

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None and obj.owner_id != request.user.pk:
            self.record("viewed", obj, request, {"owner": str(obj.owner)})
        return super().render_change_form(request, context, add, change, form_url, obj)


@admin.register(Conversation)
class ConversationAdmin(WatchedAdmin):
    may_delete = True
    list_display = ["id", "owner", "model", "is_archived", "created_at", "updated_at", "deleted_at"]
    list_filter = ["is_archived", typed("model")]
    list_select_related = ["owner"]
    search_fields = ["owner__username"]


@admin.register(Message)
class MessageAdmin(WatchedAdmin):
    may_delete = True
    list_display = [
        "id",
        "conversation_id",
        "owner",
        "role",
        "status",
        "error_code",
        "model",
        "prompt_tokens",
        "completion_tokens",
        "ttft_ms",
        "latency_ms",
        "created_at",
    ]
    list_filter = ["role", "status", typed("model")]
    list_select_related = ["owner"]
    search_fields = ["=request_id"]
    search_ids = ["pk", "conversation"]
