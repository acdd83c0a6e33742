"""Django middleware of the pages plane."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from gateway.error_handlers import error_for_status, no_such_path, to_gateway_error
from gateway.error_pages import ErrorPage, error_response
from gateway.errors import GatewayError

PAGE_PREFIXES = ("/shared/", "/admin", "/docs", "/sign-", "/chat/", "/account/", "/language/")
"""Paths that people open in a browser; everywhere else errors are ours, in debug mode too."""


class EnvelopeMiddleware:
    """Replaces Django's HTML errors on API paths with the JSON envelope, and has OPTIONS answer `Allow`.

    Sync only: it stands among Django's own sync middleware, and the chat plane has none.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method == "OPTIONS" and response.status_code < 400 and "Allow" not in response.headers:
            response.headers["Allow"] = "GET, HEAD, OPTIONS"  # views that look at no method: pages, probes
        if response.status_code >= 400 and is_djangos_own(request, response):
            is_path_unknown = response.status_code == 404 and request.resolver_match is None
            replacement = error_response(
                request,
                no_such_path(request.path_info)
                if is_path_unknown
                else error_for_status(response.status_code),
            )
            for name in ("Allow", "WWW-Authenticate"):
                if name in response.headers:
                    replacement[name] = response[name]
            return replacement
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if (
            not isinstance(exception, GatewayError)
            and settings.DEBUG
            and request.path_info.startswith(PAGE_PREFIXES)
        ):
            return None
        error = to_gateway_error(exception)
        return error_response(request, error) if error else None


def is_djangos_own(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether an error is Django's HTML, which a page's own is not unless it is empty."""
    if isinstance(response, ErrorPage) or not response.headers.get("Content-Type", "").startswith(
        "text/html"
    ):
        return False
    return not request.path_info.startswith(PAGE_PREFIXES) or not getattr(response, "content", b"?")


IMPORTS = "/api/conversations/import"
"""Where a body may be as large as MAX_IMPORT_BYTES allows: Django has it on disk, and it stays there."""


class ChunkedBodyMiddleware:
    """Sets Content-Length for chunked bodies: DRF reads a request without one as empty."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        has_length = "HTTP_TRANSFER_ENCODING" not in request.META or "CONTENT_LENGTH" in request.META
        if not has_length and request.path_info != IMPORTS:
            request.META["CONTENT_LENGTH"] = str(len(request.body))
        return self.get_response(request)
