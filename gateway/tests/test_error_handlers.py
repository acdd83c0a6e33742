"""Every failure of Django and DRF on an API path is the one JSON envelope, with DEBUG on and off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from django.test import Client
from pytest_django import Settings

from gateway.asgi import build_application
from gateway.conf import GatewayConfig
from gateway.error_handlers import first_problem

JSON = {"Content-Type": "application/json"}
DEEP_JSON = b"[" * 5000 + b"]" * 5000

# The database: the limits of addresses are rows.
pytestmark = [pytest.mark.urls("gateway.tests.failing_urls"), pytest.mark.django_db]


@pytest.fixture
def api() -> Client:
    """A client that sees what a failing view answers, as real clients do."""
    return Client(raise_request_exception=False)


@pytest.fixture(params=[False, True], ids=["production", "debug"])
def either_mode(request: pytest.FixtureRequest, settings: Settings) -> None:
    settings.DEBUG = request.param


@pytest.fixture
async def front() -> AsyncIterator[httpx.AsyncClient]:
    """The whole application as ASGI servers see it, with small bounds on bodies."""
    config = GatewayConfig(allowed_hosts=("testserver",), max_body_bytes=20_000)
    transport = httpx.ASGITransport(app=build_application(config))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


async def pieces(*blocks: bytes) -> AsyncIterator[bytes]:
    """A body whose length nobody knows beforehand."""
    for block in blocks:
        yield block


def error_of(response: Any) -> dict[str, Any]:
    """The answer's error, after a look at its envelope."""
    assert response.headers["content-type"].split(";")[0] == "application/json"
    content = response.json()
    assert set(content) == {"error"}
    assert set(content["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = content["error"]
    return error


@pytest.mark.usefixtures("either_mode")
@pytest.mark.parametrize("kind", ["plain", "rest"])
@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("gateway", 409, "conversation_busy"),
        ("http404", 404, "not_found"),
        ("denied", 403, "permission_denied"),
        ("suspicious", 400, "invalid_request"),
        ("too-big", 413, "request_too_large"),
        ("database", 503, "dependency_unavailable"),
        ("interface", 503, "dependency_unavailable"),
        ("unexpected", 500, "internal_error"),
        ("drf-404", 404, "not_found"),
        ("drf-403", 403, "permission_denied"),
        ("drf-validation", 400, "invalid_request"),
    ],
)
def test_exception_of_a_view_becomes_the_envelope(
    api: Client, kind: str, name: str, status: int, code: str
) -> None:
    response = api.get(f"/api/test/{kind}/{name}")

    assert (response.status_code, error_of(response)["code"]) == (status, code)


@pytest.mark.usefixtures("either_mode")
@pytest.mark.parametrize("name", ["database", "interface", "unexpected", "suspicious", "denied"])
def test_inner_details_stay_inside(api: Client, name: str) -> None:
    body = api.get(f"/api/test/plain/{name}").content

    assert b"canary" not in body
    assert b"secret reason" not in body


def test_headers_of_an_error_are_sent(api: Client) -> None:
    conflict, outage = api.get("/api/test/rest/gateway"), api.get("/api/test/plain/database")

    assert conflict.headers["x-should-retry"] == "false"
    assert outage.headers["Retry-After"] == "5"


@pytest.mark.usefixtures("either_mode")
@pytest.mark.parametrize("where", ["/nowhere", "/api/nowhere", "/api/auth/nowhere", "/api/conversations/x"])
def test_unknown_path_is_a_json_404(api: Client, where: str) -> None:
    response = api.get(where)

    assert (response.status_code, error_of(response)["code"]) == (404, "not_found")


@pytest.mark.usefixtures("either_mode")
@pytest.mark.parametrize(
    ("where", "allowed"), [("/api/test/get-only", "GET"), ("/api/test/echo", "POST, OPTIONS")]
)
def test_wrong_method_is_a_json_405_that_says_what_is_allowed(api: Client, where: str, allowed: str) -> None:
    response = api.put(where)

    assert (response.status_code, error_of(response)["code"]) == (405, "method_not_allowed")
    assert response.headers["Allow"] == allowed


@pytest.mark.usefixtures("either_mode")
def test_failed_csrf_check_is_a_json_403() -> None:
    response = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "admin"})

    assert (response.status_code, error_of(response)["code"]) == (403, "permission_denied")


def test_media_type_other_than_json_is_a_415(api: Client) -> None:
    response = api.post("/api/test/echo", {"text": "form"})

    assert (response.status_code, error_of(response)["code"]) == (415, "unsupported_media_type")


def test_client_that_accepts_no_json_gets_a_json_406(api: Client) -> None:
    response = api.post(
        "/api/test/echo", b"{}", content_type="application/json", headers={"accept": "text/html"}
    )

    assert response.status_code == 406
    assert error_of(response)["type"] == "invalid_request_error"


def test_request_without_a_credential_is_a_401_that_asks_for_one(api: Client) -> None:
    response = api.get("/api/auth/me")

    assert (response.status_code, error_of(response)["code"]) == (401, "invalid_api_key")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="gateway"'


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"text": "' + b"x" * 101 + b'"}', "text"),
        (b'{"text": ["x"]}', "text"),
        (b'{"surprise": 1}', "surprise"),
        (b'{"tags": [1, 2, "three"]}', "tags.2"),
        (b'{"items": [{"name": "too long"}]}', "items.0.name"),
        (b'{"items": [{"name": "good"}, {"name": "too long"}]}', "items.1.name"),
        (b'{"items": [{"name": "good", "role": "admin"}]}', "items.0.role"),
        (b"[]", None),
        (b'"text"', None),
        (b"null", None),
    ],
)
def test_invalid_field_is_named_by_its_path(api: Client, body: bytes, param: str | None) -> None:
    response = api.post("/api/test/echo", body, content_type="application/json")

    assert response.status_code == 400
    assert (error_of(response)["code"], error_of(response)["param"]) == ("invalid_request", param)


@pytest.mark.parametrize(
    ("detail", "problem"),
    [
        ({"a": ["first", "second"]}, ("a", "first")),
        ({"a": {"b": ["inner"]}}, ("a.b", "inner")),
        ({"non_field_errors": ["whole"]}, (None, "whole")),
        (["whole"], (None, "whole")),
        ("whole", (None, "whole")),
    ],
)
def test_first_problem_is_found_with_its_path(detail: Any, problem: tuple[str | None, str]) -> None:
    assert first_problem(detail) == problem


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json",
        b'{"text": NaN}',
        DEEP_JSON,
        b'{"text": "\\u0000"}',
        b'{"text": "a\x00b"}',
        b'{"text": "\\ud800"}',
        b'{"text": "\xff"}',
    ],
    ids=["cut", "word", "nan", "deep", "escaped-nul", "raw-nul", "lone-surrogate", "not-utf8"],
)
def test_body_that_is_no_clean_json_is_a_400(api: Client, body: bytes) -> None:
    response = api.post("/api/test/echo", body, content_type="application/json")

    assert (response.status_code, error_of(response)["code"]) == (400, "invalid_request")


def test_empty_body_is_an_empty_object(api: Client) -> None:
    response = api.post("/api/test/echo", b"", content_type="application/json")

    assert (response.status_code, response.json()) == (200, {})


def test_text_about_the_nul_escape_is_not_a_nul(api: Client) -> None:
    body = rb'{"text": "what does \\u0000 mean?"}'

    response = api.post("/api/test/echo", body, content_type="application/json")

    assert response.status_code == 200
    assert response.json() == {"text": r"what does \u0000 mean?"}


def test_surrogate_pair_is_one_character(api: Client) -> None:
    response = api.post("/api/test/echo", rb'{"text": "\ud83d\ude00"}', content_type="application/json")

    assert response.json() == {"text": "😀"}


async def test_chunked_body_without_content_length_is_read(front: httpx.AsyncClient) -> None:
    response = await front.post("/api/test/echo", content=pieces(b'{"te', b'xt": "in pieces"}'), headers=JSON)

    assert "content-length" not in response.request.headers
    assert response.json() == {"text": "in pieces"}


# Django leaves the temporary file of a body that it stops reading to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("either_mode")
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_body_over_the_limit_is_a_json_413(front: httpx.AsyncClient, is_chunked: bool) -> None:
    block = b"x" * 11_000

    response = await front.post(
        "/api/test/echo", content=pieces(block, block) if is_chunked else block * 2, headers=JSON
    )

    assert (response.status_code, error_of(response)["code"]) == (413, "request_too_large")


@pytest.mark.usefixtures("either_mode")
@pytest.mark.parametrize("where", ["/api/auth/me", "/v1/models", "/admin/", "/health", "/"])
async def test_foreign_host_is_a_json_400(front: httpx.AsyncClient, where: str) -> None:
    response = await front.get(where, headers={"Host": "evil.example"})

    assert (response.status_code, error_of(response)["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("method", "where", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1/nowhere", 404),
        ("GET", "/api/chat", 405),
        ("PUT", "/api/test/echo", 405),
        ("GET", "/api/test/plain/gateway", 409),
        ("GET", "/api/test/plain/unexpected", 500),
    ],
)
async def test_errors_carry_the_clients_request_id(
    front: httpx.AsyncClient, method: str, where: str, status: int
) -> None:
    response = await front.request(method, where, headers={"x-request-id": "mine-1"})

    error_of(response)
    assert (response.status_code, response.headers["x-request-id"]) == (status, "mine-1")


@pytest.mark.parametrize("given", ["a b", "x" * 129, "<script>", "a;b", "é"])
async def test_odd_request_id_is_replaced(front: httpx.AsyncClient, given: str) -> None:
    response = await front.get("/nowhere", headers={b"x-request-id": given.encode()})

    assert len(response.headers["x-request-id"]) == 32
    assert response.headers["x-request-id"].isalnum()
