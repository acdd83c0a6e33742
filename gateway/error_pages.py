"""Errors as people see them in a browser: a page in the look of the others. Programs get the envelope."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext, gettext_noop

from gateway.errors import GatewayError, status_of, to_envelope
from gateway.metrics import refusals_of
from gateway.request_id import current_request_id
from gateway.wording import say

PROGRAM_PREFIXES = ("/api", "/v1", "/health", "/metrics", "/schema", "/static/", "/words/")
"""Paths whose errors are JSON, whatever the client says that it prefers."""

HEADINGS = {
    400: gettext_noop("That cannot be answered"),
    403: gettext_noop("You may not do that"),
    404: gettext_noop("There is nothing here"),
    429: gettext_noop("Too much at a time"),
}
OTHER_REFUSAL = gettext_noop("That did not work")
OUR_FAILURE = gettext_noop("Something went wrong here")


class ErrorPage(HttpResponse):
    """An answer that stands for itself: `gateway.middleware` puts no envelope in its place."""


def error_response(request: HttpRequest, error: GatewayError) -> HttpResponse:
    """A page for a browser that opens a page, else the envelope."""
    refusals_of(error.code).inc()
    language = getattr(request, "LANGUAGE_CODE", None) or settings.LANGUAGE_CODE
    with translation.override(language):
        if not wants_page(request):
            return envelope_response(error)
        status = status_of(error)
        content = render_to_string("pages/error.html", _describe(request, error, status), request)
    response = ErrorPage(content, status=status, headers=error.headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def envelope_response(error: GatewayError) -> JsonResponse:
    return JsonResponse(to_envelope(error, gettext), status=status_of(error), headers=error.headers)


def wants_page(request: HttpRequest) -> bool:
    if request.path_info.startswith(PROGRAM_PREFIXES):
        return False
    return request.get_preferred_type(["application/json", "text/html"]) == "text/html"


def _describe(request: HttpRequest, error: GatewayError, status: int) -> dict[str, object]:
    heading = HEADINGS.get(status, OTHER_REFUSAL if status < 500 else OUR_FAILURE)
    return {
        "status": status,
        "heading": say(heading, gettext),
        "message": say(error.wording, gettext),
        "request_id": current_request_id.get(),
        # What was sent to another path than a page's own cannot be opened again.
        "back_to": request.get_full_path() if request.method == "GET" else f"{settings.BASE_PATH}/",
    }
