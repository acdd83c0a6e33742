"""Conversations and messages, which only the server writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from conversations.admin.texts import WatchedAdmin
from conversations.models import Conversation, Message
from conversations.removal import remove_conversations
from conversations.tree import count_below
from conversations.tree_changes import remove_branch
from gateway.admin_lists import typed
from gateway.errors import ConversationBusy
from gateway.wording import fill_in, say

Deleted = tuple[list[str], dict[str, int], set[str], list[str]]
"""What a page about a deletion shows: objects, how many rows go, missing permissions, what forbids it."""


@admin.register(Conversation)
class ConversationAdmin(WatchedAdmin):
    may_delete = True
    list_display = ["begun_at", "owner", "used_at", "model", "is_archived", "is_pinned", "deleted_at"]
    list_filter = ["is_archived", "is_pinned", ("deleted_at", admin.EmptyFieldListFilter), typed("model")]
    list_select_related = ["owner"]
    search_fields = ["owner__username", "owner__email"]
    search_ids = ["pk", "owner"]
    texts = ["title", "system_prompt"]
    begins_with = "title"
    shown = [
        *("id", "owner", "message_list", "title", "title_source", "system_prompt", "model", "folder", "head"),
        *("version", "is_archived", "is_pinned", "created_at", "updated_at", "deleted_at"),
    ]

    @admin.display(description=gettext_lazy("begun (UTC)"))
    def begun_at(self, row: Conversation) -> str:
        return f"{row.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description=gettext_lazy("used last (UTC)"))
    def used_at(self, row: Conversation) -> str:
        return f"{row.updated_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="messages")
    def message_list(self, row: Conversation) -> SafeString:
        path = reverse("admin:conversations_message_changelist")
        return format_html('<a href="{}?q={}">{}</a>', path, row.pk, gettext("All messages"))

    def get_deleted_objects(self, objs: Iterable[Conversation], request: HttpRequest) -> Deleted:
        """Counted: Django's own list has a line for every message."""
        ids = [row.pk for row in objs]
        counts = {
            gettext("conversations"): len(ids),
            gettext("messages"): Message.objects.filter(conversation__in=ids).count(),
        }
        return [gettext("Conversation {id}").format(id=id_) for id_ in ids], counts, set(), []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            self.record("deleted", obj, request)
            remove_conversations([obj.pk])


@admin.register(Message)
class MessageAdmin(WatchedAdmin):
    may_delete = True
    list_display = ["moment", "owner", "role", "outcome", "model", "tokens", "seconds", "whole"]
    list_filter = ["role", "status", typed("error_code"), typed("model")]
    list_select_related = ["owner"]
    search_fields = ["=request_id", "owner__username", "owner__email"]
    search_ids = ["pk", "conversation"]
    texts = ["content", "reasoning", "parts", "tool_calls"]
    begins_with = "content"
    size_in_lists = "size_bytes"
    shown = [
        *("id", "conversation", "owner", "parent", "role", "content", "reasoning", "parts", "tool_calls"),
        *("tool_call_id", "size_bytes", "status", "error_code", "finish_reason", "model"),
        *("prompt_tokens", "completion_tokens", "usage_source", "omitted_messages", "ttft_ms", "latency_ms"),
        *("request_id", "client_message_id", "lease_expires_at", "cancel_requested_at", "created_at"),
    ]

    @admin.display(description=gettext_lazy("time (UTC)"))
    def moment(self, row: Message) -> str:
        return f"{row.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description=gettext_lazy("status"))
    def outcome(self, row: Message) -> str:
        """With why it ended, where that is known."""
        reason = row.error_code or row.finish_reason
        return f"{row.get_status_display()} ({reason})" if reason else row.get_status_display()

    @admin.display(description=gettext_lazy("tokens read, written"), empty_value="–")
    def tokens(self, row: Message) -> str | None:
        counts = [row.prompt_tokens, row.completion_tokens]
        known = ["–" if count is None else f"{count:,}" for count in counts]
        return None if counts == [None, None] else ", ".join(known)

    @admin.display(description=gettext_lazy("seconds to the first token, in all"), empty_value="–")
    def seconds(self, row: Message) -> str | None:
        times = [row.ttft_ms, row.latency_ms]
        known = ["–" if time is None else f"{time / 1000:.2f}" for time in times]
        return None if times == [None, None] else ", ".join(known)

    @admin.display(description=gettext_lazy("conversation"))
    def whole(self, row: Message) -> SafeString:
        path = reverse("admin:conversations_conversation_change", args=[row.conversation_id])
        return format_html('<a href="{}">{}</a>', path, gettext("Open"))

    def get_deleted_objects(self, objs: Iterable[Message], request: HttpRequest) -> Deleted:
        """Counted, with all that follows them: Django would ask for each level of the tree."""
        ids = [row.pk for row in objs]
        counts = {gettext("messages"): sum(count_below(id_) for id_ in ids)}
        return [gettext("Message {id}, and what follows it").format(id=id_) for id_ in ids], counts, set(), []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """As its owner would: with everything that follows it."""
        try:
            with transaction.atomic():
                conversation = Conversation.objects.select_for_update().get(pk=obj.conversation_id)
                self.record("deleted", obj, request)
                remove_branch(conversation, obj)
        except ConversationBusy as exc:
            text = fill_in("{name} stays: {problem}", name=obj, problem=exc.wording)
            self.message_user(request, say(text, gettext), messages.ERROR)
