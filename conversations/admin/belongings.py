"""What people keep beside their conversations."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from conversations.admin.texts import WatchedAdmin
from conversations.models import Folder, SavedPrompt, SharedLink, StoredFile


@admin.register(Folder)
class FolderAdmin(WatchedAdmin):
    list_display = ["id", "owner", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["owner__username"]
    texts = ["name"]
    shown = ["id", "owner", "name", "created_at"]


@admin.register(StoredFile)
class StoredFileAdmin(WatchedAdmin):
    """Files go by `purge_conversations`, which takes their bytes as well."""

    list_display = ["id", "owner", "kind", "media_type", "size_bytes", "created_at"]
    list_filter = ["kind"]
    list_select_related = ["owner"]
    search_fields = ["owner__username", "=sha256"]
    texts = ["name", "text"]
    shown = ["id", "owner", "kind", "media_type", "size_bytes", "sha256", "name", "text", "created_at"]


@admin.register(SharedLink)
class SharedLinkAdmin(WatchedAdmin):
    """To delete a link is to revoke it."""

    may_delete = True
    list_display = ["id", "owner", "conversation_link", "created_at", "expires_at"]
    list_select_related = ["owner"]
    search_fields = ["owner__username"]
    search_ids = ["pk", "conversation"]
    shown = ["id", "owner", "conversation", "head", "created_at", "expires_at"]

    @admin.display(description="conversation", ordering="conversation_id")
    def conversation_link(self, row: SharedLink) -> SafeString:
        page = reverse("admin:conversations_conversation_change", args=[row.conversation_id])
        return format_html('<a href="{}">{}</a>', page, row.conversation_id)


@admin.register(SavedPrompt)
class SavedPromptAdmin(WatchedAdmin):
    """What is shared is for everybody to read."""

    may_delete = True
    list_display = ["id", "owner", "is_shared", "created_at", "updated_at"]
    list_filter = ["is_shared"]
    list_select_related = ["owner"]
    search_fields = ["owner__username"]
    texts = ["title", "content"]
    shown = ["id", "owner", "is_shared", "title", "content", "created_at", "updated_at"]

    def shows_texts(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().shows_texts(request, obj) or (obj is not None and obj.is_shared)
