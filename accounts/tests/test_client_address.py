"""Whose address a request came from, whatever it says itself."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from accounts.client_address import address_bucket, client_address, find_address

PEER = "198.51.100.7"


@pytest.mark.parametrize(
    ("forwarded_for", "hops", "expected"),
    [
        ("", 0, PEER),
        ("192.0.2.1", 0, PEER),
        ("192.0.2.1, 192.0.2.2", 1, "192.0.2.2"),
        ("192.0.2.1, 192.0.2.2", 2, "192.0.2.1"),
        ("forged, 192.0.2.1, 192.0.2.2", 2, "192.0.2.1"),
        ("192.0.2.1", 2, PEER),
        ("", 1, PEER),
        ("nonsense", 1, PEER),
        ("' OR 1=1 --", 1, PEER),
        ("192.0.2.1:4321", 1, "192.0.2.1"),
        ("[2001:DB8::1]:4321", 1, "2001:db8::1"),
        ("2001:db8::1", 1, "2001:db8::1"),
        ("::ffff:192.0.2.1", 1, "192.0.2.1"),
    ],
)
def test_address_is_what_the_outermost_trusted_proxy_saw(
    forwarded_for: str, hops: int, expected: str
) -> None:
    assert find_address(peer=PEER, forwarded_for=forwarded_for, trusted_hops=hops) == expected


@pytest.mark.parametrize("peer", ["", "unix:", "\0"])
def test_peer_without_an_address_is_nobody_known(peer: str) -> None:
    assert find_address(peer=peer, forwarded_for="192.0.2.1", trusted_hops=0) is None


def test_several_headers_are_one_list(settings: Settings) -> None:
    settings.TRUSTED_PROXY_HOPS = 2
    request = RequestFactory().get("/", REMOTE_ADDR=PEER, HTTP_X_FORWARDED_FOR="192.0.2.1,192.0.2.2")

    assert client_address(request) == "192.0.2.1"


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        (None, "unknown"),
    ],
)
def test_ipv6_addresses_of_one_network_are_one_bucket(address: str | None, bucket: str) -> None:
    assert address_bucket(address) == bucket
