"""The gateway's paths and one whose view fails with its mouth full."""

from __future__ import annotations

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from gateway import urls

FAULTY_PATH = "/api/faulty"


@csrf_exempt
def fail(request: HttpRequest) -> HttpResponse:
    """Local variables hold the prompt; the exception's words hold the rest, as libraries' words do."""
    body = json.loads(request.body)
    raise RuntimeError(
        f"{body['username']} with password={body['password']!r} and {request.headers['Authorization']}"
        f" was not signed in with {settings.SECRET_KEY}, nor with {settings.SIMPLE_JWT['SIGNING_KEY']}"
    )


urlpatterns = [*urls.urlpatterns, path(FAULTY_PATH.lstrip("/"), fail)]
handler400, handler403, handler404, handler500 = (
    urls.handler400,
    urls.handler403,
    urls.handler404,
    urls.handler500,
)
