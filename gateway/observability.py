"""/metrics, for internal networks only."""

from __future__ import annotations

import ipaddress

from django.http import HttpRequest, HttpResponse
from django_prometheus.exports import ExportToDjangoView

from gateway.conf import get_config
from gateway.errors import NotFound

PROXY_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format; 404 for clients outside METRICS_NETWORKS."""
    if not is_internal(request):
        raise NotFound("There is no such path.")
    response: HttpResponse = ExportToDjangoView(request)
    return response


def is_internal(request: HttpRequest) -> bool:
    """True when the peer is in METRICS_NETWORKS and did not come through a proxy.

    A proxy on this host has a loopback address, so its clients would all look internal.
    """
    if any(header in request.META for header in PROXY_HEADERS):
        return False
    try:
        peer = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(peer in ipaddress.ip_network(network) for network in get_config().metrics_networks)
