"""The address of a request's client, read from the connection and from the headers of trusted proxies."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Protocol

from django.conf import settings

LONGEST_ADDRESS = 100
"""Characters of IPv6 with a zone and a port; more is no address, and not to be remembered."""


class HasMeta(Protocol):
    """Django's requests and Django REST framework's."""

    @property
    def META(self) -> dict[str, str]: ...


def client_address(request: HasMeta) -> str | None:
    """The client's address; None when it is unknown (a Unix socket without a trusted proxy)."""
    return find_address(
        peer=request.META.get("REMOTE_ADDR", ""),
        forwarded_for=request.META.get("HTTP_X_FORWARDED_FOR", ""),
        trusted_hops=settings.TRUSTED_PROXY_HOPS,
    )


def find_address(*, peer: str, forwarded_for: str, trusted_hops: int) -> str | None:
    """The client's address, when the last `trusted_hops` entries of X-Forwarded-For are from trusted proxies.

    Each proxy appends the address that connected to it, so entries before those are the client's own claims
    and are ignored. A header with fewer entries did not pass all proxies: then the peer's address counts.
    """
    entries = forwarded_for.split(",")
    if 0 < trusted_hops <= len(entries):
        return _parse_address(entries[-trusted_hops].strip()[:LONGEST_ADDRESS]) or _parse_address(peer)
    return _parse_address(peer)


def address_bucket(address: str | None) -> str:
    """The key under which an address is counted: of IPv6 its /64 network, all of which one client may use."""
    if address is None or ":" not in address:
        return address or "unknown"
    return str(ipaddress.ip_network(f"{address}/64", strict=False).network_address)


@lru_cache(maxsize=4096)  # every request asks, and few peers ask often
def _parse_address(text: str) -> str | None:
    """The address in canonical form, without a port; an IPv4-mapped IPv6 address as IPv4."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip).partition("%")[0]
