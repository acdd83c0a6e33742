"""Conversations and messages, to look at. Lists show no text: what users say is not for skimming."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from conversations.models import Conversation, Message
from gateway.audit import AuditedAdmin


class ReadOnlyAdmin(AuditedAdmin):
    """Only the server writes conversations; an admin may look and delete."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    list_display = ["id", "owner", "model", "is_archived", "created_at", "updated_at", "deleted_at"]
    list_filter = ["is_archived", "model"]
    list_select_related = ["owner"]
    search_fields = ["=id", "owner__username"]
    date_hierarchy = "created_at"


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
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
    list_filter = ["role", "status", "model"]
    list_select_related = ["owner"]
    search_fields = ["=id", "=conversation__id", "=request_id"]
    date_hierarchy = "created_at"
