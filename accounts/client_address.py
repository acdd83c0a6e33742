"""The address of a request's client, read from the connection and from the headers of trusted proxies."""

from __future__ import annotations

import ipaddress
from typing import Protocol

from django.conf import settings


class HasMeta(Protocol):
    """Django's requests and Django REST framework's."""

    @property
    def META(self) -> dict[str, str]: ...


def client_address(request: HasMeta) -> str | None:
    """The client's address; None when nobody knows it (a Unix socket without a trusted proxy)."""
    return find_address(
        peer=request.META.get("REMOTE_ADDR", ""),
        forwarded_for=request.META.get("HTTP_X_FORWARDED_FOR", ""),
        trusted_hops=settings.TRUSTED_PROXY_HOPS,
    )


def find_address(*, peer: str, forwarded_for: str, trusted_hops: int) -> str | None:
    """Who asks, when the last `trusted_hops` entries of X-Forwarded-For come from proxies of ours.

    Each of them appends whom it saw, so that what a client wrote there itself comes before, and counts for
    nothing. A header that is too short did not come through them all: the peer speaks for itself.
    """
    entries = forwarded_for.split(",")
    if 0 < trusted_hops <= len(entries):
        return _parse_address(entries[-trusted_hops].strip()) or _parse_address(peer)
    return _parse_address(peer)


def address_bucket(address: str | None) -> str:
    """Under what an address is counted: an IPv6 client has 2⁶⁴ addresses of its own, so its network."""
    if address is None or ":" not in address:
        return address or "unknown"
    return str(ipaddress.ip_network(f"{address}/64", strict=False).network_address)


def _parse_address(text: str) -> str | None:
    """The address in its one form, a mapped IPv4 address as such; some proxies add a port."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip).partition("%")[0]
