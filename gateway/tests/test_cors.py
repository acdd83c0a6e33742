"""Pages of other origins call the API only from where the operator allowed it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway

ALLOWED = "https://chat.example.com"


@pytest.fixture(scope="module")
def cors_gateway(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    with start_gateway(stores, tmp_path_factory.mktemp("cors"), simulator, CORS_ORIGINS=ALLOWED) as process:
        yield process


def preflight(gateway: GatewayProcess, origin: str) -> httpx.Response:
    return httpx.options(
        f"{gateway.url}/v1/chat/completions",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,x-api-key,x-stainless-lang",
        },
    )


def test_an_allowed_origin_may_send_what_sdks_send(cors_gateway: GatewayProcess) -> None:
    answer = preflight(cors_gateway, ALLOWED)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    allowed = answer.headers["access-control-allow-headers"]
    assert "x-stainless-lang" in allowed
    assert "x-api-key" in allowed


def test_another_origin_is_not_allowed(cors_gateway: GatewayProcess) -> None:
    answer = preflight(cors_gateway, "https://evil.example.com")

    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/models", "/api/auth/me"])
def test_errors_can_be_read_from_an_allowed_origin_and_no_other(
    cors_gateway: GatewayProcess, path: str
) -> None:
    ours = httpx.get(cors_gateway.url + path, headers={"Origin": ALLOWED})
    theirs = httpx.get(cors_gateway.url + path, headers={"Origin": "https://evil.example.com"})

    assert (ours.status_code, theirs.status_code) == (401, 401)
    assert ours.headers["access-control-allow-origin"] == ALLOWED
    assert "access-control-allow-origin" not in theirs.headers
