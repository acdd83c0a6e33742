"""Says how a request of the doctor's own arrived, so that what proxies make of it can be judged.

The answer shows addresses within the network, so it is for whoever holds SECRET_KEY: the request is signed
with it, and is worthless half a minute later.
"""

from __future__ import annotations

import secrets

from django.core.signing import BadSignature, TimestampSigner
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.crypto import constant_time_compare

from accounts.client_address import client_address

PATH = "/health/arrival"
HEADER = "X-Doctor-Probe"
LIFE_S = 30
_SALT = "gateway.arrivals"
_WORD = "doctor"


def sign_probe() -> str:
    """The value of HEADER; another one each time."""
    return TimestampSigner(salt=_SALT).sign(f"{_WORD}-{secrets.token_hex(8)}")


def arrival(request: HttpRequest) -> JsonResponse:
    """What of the request arrived here. 404 without a good signature, as for any path that is not there."""
    try:
        word = TimestampSigner(salt=_SALT).unsign(request.headers.get(HEADER, ""), max_age=LIFE_S)
    except BadSignature as exc:
        raise Http404 from exc
    if not constant_time_compare(word.partition("-")[0], _WORD):
        raise Http404
    forwarded = request.headers.get("X-Forwarded-For", "")
    return JsonResponse(
        {
            "host": request.headers.get("Host", ""),
            "peer": request.META.get("REMOTE_ADDR", ""),
            "forwarded_for": [entry.strip() for entry in forwarded.split(",") if entry.strip()],
            "forwarded_proto": request.headers.get("X-Forwarded-Proto", ""),
            "forwarded_host": request.headers.get("X-Forwarded-Host", ""),
            "client": client_address(request),
        }
    )
