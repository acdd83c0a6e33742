"""The security headers of pages: the sources of scripts and styles, and who may frame a page.

Three lines instead of django-csp: one constant policy needs no nonces and no decorators. Django 6.0 has a
middleware of its own that reads a setting of this shape (SECURE_CSP); this one goes when Django 5.2 does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse

PAGE_POLICY: Mapping[str, str] = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "object-src": "'none'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
}
"""The same for every page: nothing of ours is inline. `data:` images are the icons of Swagger.

`blob:` images are those of messages: a page reads them with its token, so that none needs a cookie.
"""


def write_policy(directives: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


def page_headers() -> list[tuple[bytes, bytes]]:
    """The headers of this module's and of Django's middleware, for answers that Django does not make."""
    headers = {
        "content-security-policy": write_policy(PAGE_POLICY),
        "cross-origin-opener-policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
        "referrer-policy": settings.SECURE_REFERRER_POLICY,
        "x-content-type-options": "nosniff",
        "x-frame-options": settings.X_FRAME_OPTIONS,
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]


class ContentSecurityPolicyMiddleware:
    """Every answer of Django's carries the policy, errors included, or a stricter one of its view's own.

    Sync only, as gateway.middleware.EnvelopeMiddleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.policy = write_policy(PAGE_POLICY)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        # `gateway.asgi` sends it, on both planes: Django's middleware would, too, on https alone.
        response.headers.pop("Strict-Transport-Security", None)
        return response
