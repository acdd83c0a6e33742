"""Headers that clients forge, hosts and origins that are not ours, and pages that are not for everybody."""

from __future__ import annotations

import http.client
import json
import re

import httpx
import pytest
from starlette.testclient import TestClient

from gateway.asgi import build_application
from gateway.conf import GatewayConfig
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway

BOTH_PLANES = ["/api/auth/me", "/v1/models", "/", "/health"]


def raw_get(gateway: GatewayProcess, path: str, **headers: bytes) -> http.client.HTTPResponse:
    """A GET whose header values are sent as they are, whatever a well-behaved client thinks of them."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.putrequest("GET", path, skip_host="Host" in headers)
    # Not putheader, which refuses line breaks.
    for name, value in headers.items():
        connection._buffer.append(name.replace("_", "-").encode() + b": " + value)  # type: ignore[attr-defined]
    connection.endheaders()
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


@pytest.mark.parametrize("path", BOTH_PLANES)
@pytest.mark.parametrize(
    "given",
    [b"a b", b"x" * 129, b"<script>", b"a;b", b"a\tb", b"\xc3\xa9", b"", b"a%0d%0aSet-Cookie:x=1"],
)
def test_odd_request_id_is_replaced(fort: GatewayProcess, path: str, given: bytes) -> None:
    answer = raw_get(fort, path, x_request_id=given)

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/", "/v1/nowhere"])
@pytest.mark.parametrize("given", ["mine\r\nSet-Cookie: forged=1", "mine\n", "mine\r", "\x1b[31mmine"])
def test_line_break_in_a_request_id_makes_no_header(path: str, given: str) -> None:
    """Spoken to without a server, which would not let it through: its parser is not the last defence."""
    app = build_application(GatewayConfig(allowed_hosts=("testserver",)))

    answer = TestClient(app).get(path, headers={"x-request-id": given})

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.mark.parametrize("given", ["a", "x" * 128, "Mine_1-2"])
def test_harmless_request_id_is_kept(web: httpx.Client, given: str) -> None:
    assert web.get("/v1/models", headers={"x-request-id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("path", [*BOTH_PLANES, "/admin/login/", "/metrics", "/static/admin/css/base.css"])
@pytest.mark.parametrize("host", [b"evil.example", b"localhost.evil.example", b"localhost@evil.example", b""])
def test_foreign_host_is_a_json_400(fort: GatewayProcess, path: str, host: bytes) -> None:
    answer = raw_get(fort, path, Host=host)

    assert answer.status == 400
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", BOTH_PLANES)
@pytest.mark.parametrize("name", ["x_forwarded_host", "x_original_host", "forwarded"])
def test_forwarded_host_counts_for_nothing(fort: GatewayProcess, path: str, name: str) -> None:
    plain = raw_get(fort, path, Host=b"localhost").status
    forged = raw_get(fort, path, Host=b"localhost", **{name: b"host=evil.example"})

    assert forged.status == plain
    assert "evil.example" not in str(forged.headers)


@pytest.mark.parametrize("path", [*BOTH_PLANES, "/static/admin/css/base.css"])
def test_no_origin_is_allowed_unless_the_operator_says_so(fort: GatewayProcess, path: str) -> None:
    answer = httpx.get(fort.url + path, headers={"Origin": "https://evil.example"})

    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("allowed", [("https://chat.example.com",), ("*",)], ids=["one", "every"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://chat.example.com.evil.example"])
def test_origin_is_never_reflected_with_credentials(allowed: tuple[str, ...], origin: str) -> None:
    app = build_application(GatewayConfig(allowed_hosts=("testserver",), cors_origins=allowed))
    preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    client = TestClient(app)

    for answer in (
        client.get("/v1/nowhere", headers={"Origin": origin, "Cookie": "sessionid=1"}),
        client.options("/v1/nowhere", headers=preflight),
    ):
        assert answer.headers.get("access-control-allow-origin") in {None, "*"}
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/docs", "/schema", "/docs/", "/schema/", "/schema.json", "/openapi.json"])
def test_documentation_does_not_exist_in_production(web: httpx.Client, path: str) -> None:
    assert web.get(path).status_code == 404


def test_metrics_do_not_exist_for_whoever_comes_through_a_proxy(web: httpx.Client) -> None:
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        assert web.get("/metrics", headers={header: "127.0.0.1"}).status_code == 404


def test_metrics_do_not_exist_for_the_outside(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> None:
    folder = tmp_path_factory.mktemp("outside")
    with (
        start_gateway(embedded_stores, folder, simulator, METRICS_NETWORKS="10.0.0.0/8") as gateway,
        gateway.client() as client,
    ):
        assert client.get("/metrics").status_code == 404


@pytest.mark.parametrize("path", [*BOTH_PLANES, "/admin/login/", "/nowhere", "/v1/nowhere"])
def test_browsers_are_told_to_insist_on_https(fort: GatewayProcess, path: str) -> None:
    headers = httpx.get(fort.url + path).headers

    assert headers.get_list("strict-transport-security") == ["max-age=31536000"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/nowhere", "/api/chat"])
def test_what_a_model_writes_is_not_guessed_to_be_a_page(web: httpx.Client, path: str) -> None:
    assert web.get(path).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/health", "/health/ready", "/nowhere"])
def test_answers_do_not_tell_what_runs_here(fort: GatewayProcess, path: str) -> None:
    answer = httpx.get(fort.url + path)

    assert "server" not in answer.headers
    content = answer.json()
    if path == "/health":
        # By contract its services go by the names of the stores.
        assert set(content["services"]) == {"vllm", "sqlite", "memory"}
        content["services"] = list(content["services"].values())
    text = json.dumps(content).lower()
    for inner in (
        "django",
        "uvicorn",
        "sqlite",
        "postgres",
        "traceback",
        str(fort.environment["VLLM_BASE_URL"]),
    ):
        assert inner not in text
