"""Signing in with the identity provider: there, and back. Off unless OIDC_ISSUER is set."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.views.generic import View

from accounts.limits.throttle import count_address
from accounts.oidc.refusals import Reason, SignInRefused
from gateway import conf
from gateway.errors import NotFound

log = structlog.get_logger()


class OidcStartView(View):
    """Sends somebody to the identity provider. By GET, as our pages' policy lets no form lead elsewhere."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest) -> HttpResponseBase:
        _require_oidc()
        # Each leaves a session behind.
        count_address(request)
        from accounts.oidc.flow import RequestView

        return _catch_refusals(request, lambda: RequestView.as_view()(request))


class OidcCallbackView(View):
    """Where the identity provider sends people back to."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest) -> HttpResponseBase:
        _require_oidc()
        from accounts.oidc.flow import CallbackView

        return _catch_refusals(request, lambda: CallbackView.as_view()(request))


def _require_oidc() -> None:
    if not conf.get_config().oidc_issuer:
        raise NotFound


def _catch_refusals(request: HttpRequest, answer: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """The answer, never to be cached, or the way back to the sign-in page, which says what went wrong."""
    from accounts.oidc.failures import translate_failures

    try:
        with translate_failures():
            response = answer()
    except SignInRefused as refusal:
        log.warning("oidc_refused", reason=refusal.reason.value, detail=refusal.detail)
        if refusal.reason is not Reason.NOT_STARTED_HERE:
            count_address(request)
        response = _back_to_the_page(request, refusal.reason)
    response.headers["Cache-Control"] = "no-store"
    return response


def _back_to_the_page(request: HttpRequest, reason: Reason) -> HttpResponse:
    query = {"refused": reason.value}
    # Checked before it was stored, and once more by the page.
    if next_url := request.session.get("oidc_login_next"):
        query["next"] = next_url
    return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode(query)}")
