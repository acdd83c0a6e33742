"""Paths of the pages plane. The chat plane's are in chat.plane."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.usage.views import UsageView
from gateway import arrivals, error_handlers, health, observability, pages
from gateway.model_names import translate_admin

admin.autodiscover()
translate_admin(admin.site)
admin.site.site_header = admin.site.site_title = "vLLM Chat Gateway"

urlpatterns = [
    path("", pages.FrontDoorView.as_view(), name="front"),
    path("", include("accounts.pages.urls")),
    path("chat/", pages.ChatPage.as_view(), name="chat"),
    path("shared/<str:token>", pages.SharedConversationPage.as_view(), name="shared"),
    path("account/", pages.AccountPage.as_view(), name="account"),
    # Browsers ask for it by themselves, at pages that name no icon too.
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}pages/icon.svg")),
    path("words/<str:language>.js", pages.WordsView.as_view(), name="words"),
    path("health", health.health),
    path("health/ready", health.ready),
    path("health/arrival", arrivals.arrival),
    path("metrics", observability.metrics),
    path("api/auth/", include("accounts.urls")),
    path("api/keys", include("accounts.key_urls")),
    path("api/groups", include("accounts.group_urls")),
    path("api/usage", UsageView.as_view(), name="usage"),
    path("api/conversations", include("conversations.urls")),
    path("api/folders", include("conversations.folder_urls")),
    path("api/prompts", include("conversations.prompt_urls")),
    path("api/feedback", include("conversations.feedback_urls")),
    path("api/", include("conversations.share_urls")),
    path("api/files", include("conversations.file_urls")),
    path("api/models/", include("modelops.urls")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
]

if settings.DEBUG:
    urlpatterns += [
        path("schema", SpectacularAPIView.as_view(), name="schema"),
        # Split: its script is a file of its own, as the content security policy wants it.
        path("docs", SpectacularSwaggerSplitView.as_view(url_name="schema")),
    ]

handler400 = error_handlers.bad_request
handler403 = error_handlers.permission_denied
handler404 = error_handlers.not_found
handler500 = error_handlers.server_error
