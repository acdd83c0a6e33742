"""Addresses that clients claim: one client is one bucket, whatever it writes into its headers."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from accounts.client_address import find_address
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway

HEADERS = ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"]
LIMIT = 3


def counts_of_attempts(gateway: GatewayProcess, headers: list[dict[str, str]]) -> list[int]:
    """The statuses of log-ins, each to another account: only the address can be what counts."""
    return [
        httpx.post(
            f"{gateway.url}/api/auth/login",
            json={"username": f"nobody-{index}-{id(headers)}", "password": "wrong"},
            headers=each,
        ).status_code
        for index, each in enumerate(headers)
    ]


@pytest.fixture
def strict(
    stores: Stores, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    """A gateway that trusts as many proxies as the parameter says, and takes few log-ins."""
    settings = {"LOGIN_RATE": f"{LIMIT}/h", "TRUSTED_PROXY_HOPS": request.param, "ADDRESS_RATE": "0/m"}
    with start_gateway(stores, tmp_path_factory.mktemp("strict"), simulator, **settings) as gateway:
        yield gateway


@pytest.mark.parametrize("strict", ["0"], indirect=True)
def test_forged_headers_are_one_bucket(strict: GatewayProcess) -> None:
    forged = [dict.fromkeys(HEADERS, f"9.9.9.{index}") for index in range(2 * LIMIT)]

    assert counts_of_attempts(strict, forged) == [401] * LIMIT + [429] * LIMIT


@pytest.mark.parametrize("strict", ["1"], indirect=True)
def test_behind_a_proxy_only_its_own_word_counts(strict: GatewayProcess) -> None:
    """The proxy appends the peer it saw; what stands before is the client's own invention."""
    one_client = [{"X-Forwarded-For": f"9.9.9.{index}, 7.7.7.7"} for index in range(2 * LIMIT)]
    others = [{"X-Forwarded-For": f"9.9.9.9, 7.7.8.{index}"} for index in range(LIMIT)]

    assert counts_of_attempts(strict, one_client) == [401] * LIMIT + [429] * LIMIT
    assert counts_of_attempts(strict, others) == [401] * LIMIT


@pytest.mark.parametrize(
    ("forwarded_for", "hops", "address"),
    [
        ("", 0, "10.0.0.1"),
        ("1.1.1.1", 0, "10.0.0.1"),
        ("1.1.1.1", 1, "1.1.1.1"),
        ("9.9.9.9, 1.1.1.1", 1, "1.1.1.1"),
        ("9.9.9.9, 1.1.1.1, 10.0.0.2", 2, "1.1.1.1"),
        ("1.1.1.1", 2, "10.0.0.1"),
        ("nonsense", 1, "10.0.0.1"),
        (",".join(["9.9.9.9"] * 5000) + ",1.1.1.1", 1, "1.1.1.1"),
    ],
)
def test_address_is_what_the_trusted_proxies_saw(forwarded_for: str, hops: int, address: str) -> None:
    assert find_address(peer="10.0.0.1", forwarded_for=forwarded_for, trusted_hops=hops) == address
