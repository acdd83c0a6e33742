"""The front door, and the pages that scripts fill by the public API."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.views.generic import TemplateView, View
from django.views.i18n import JavaScriptCatalog

from chat.endpoints import CHAT_PATH
from conversations.api.share_views import READERS_HEADERS
from gateway.conf import get_config
from gateway.errors import NotFound
from gateway.page_modules import list_imported_modules


class FrontDoorView(View):
    """Leads a browser to the chat page; tells a program what there is."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if request.get_preferred_type(["application/json", "text/html"]) == "text/html":
            response: HttpResponse = HttpResponseRedirect(settings.LOGIN_REDIRECT_URL)
        else:
            response = JsonResponse(describe())
        patch_vary_headers(response, ["Accept"])
        return response


def describe() -> dict[str, Any]:
    paths = {
        "health": "/health",
        "ready": "/health/ready",
        "openai": "/v1",
        "chat": CHAT_PATH,
        "chat_page": "/chat/",
        "admin": "/admin/",
    }
    links = {name: f"{settings.BASE_PATH}{path}" for name, path in paths.items()}
    return {"name": settings.PRODUCT_NAME, "version": settings.PRODUCT_VERSION, "links": links}


class ScriptedPage(LoginRequiredMixin, TemplateView):
    """A page of an account; its script reads everything else by REST."""

    script: str
    """Name of a static file."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        config = get_config()
        page = {
            "sharedLinks": config.shared_links,
            "maxFileBytes": config.max_file_bytes,
            "maxImageBytes": config.max_image_bytes,
            "deletedDays": config.deleted_conversation_days,
            "version": settings.PRODUCT_VERSION,
        }
        modules = list_imported_modules(self.script)
        return super().get_context_data(page=page, script=self.script, modules=modules, **kwargs)

    def render_to_response(self, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().render_to_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        return response


class ChatPage(ScriptedPage):
    template_name = "pages/chat.html"
    script = "pages/js/chat/main.js"


class AccountPage(ScriptedPage):
    template_name = "pages/account.html"
    script = "pages/js/account/main.js"


class SharedConversationPage(TemplateView):
    """What a shared link shows, for people without an account; its script reads it by REST."""

    template_name = "pages/shared.html"
    script = "pages/js/shared/main.js"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        page = {"version": settings.PRODUCT_VERSION}
        modules = list_imported_modules(self.script)
        return super().get_context_data(page=page, script=self.script, modules=modules, **kwargs)

    def render_to_response(self, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().render_to_response(*args, **kwargs)
        for name, value in READERS_HEADERS.items():
            response.headers[name] = value
        return response


class WordsView(JavaScriptCatalog):
    """The translations for scripts, under a path of its own for each language."""

    domain = "djangojs"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        language = kwargs["language"]
        if language not in dict(settings.LANGUAGES):
            raise NotFound
        with translation.override(language):
            response: HttpResponse = super().get(request, *args, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=300"
        return response
