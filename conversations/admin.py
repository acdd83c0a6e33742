"""Conversations and messages, which only the server writes. The lists show no text that users wrote."""

from __future__ import annotations

from django.contrib import admin

from conversations.models import Conversation, Message
from gateway.audit import ReadOnlyAdmin


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    may_delete = True
    show_full_result_count = False
    list_display = ["id", "owner", "model", "is_archived", "created_at", "updated_at", "deleted_at"]
    list_filter = ["is_archived", "model"]
    list_select_related = ["owner"]
    search_fields = ["=id", "owner__username"]
    date_hierarchy = "created_at"


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    may_delete = True
    show_full_result_count = False
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
