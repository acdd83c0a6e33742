"""Requests in odd forms, on both planes: each is answered with what is wrong with it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection

import httpx
import pytest

from chat.tests.streams import error_of
from gateway.tests.live import GatewayProcess

JSON = {"Content-Type": "application/json"}
BODIES = {
    "/api/chat": '{"content": "x", "store": false}',
    "/v1/chat/completions": '{"messages": [{"role": "user", "content": "x"}]}',
    "/api/conversations": '{"title": "x"}',
    "/api/auth/login": '{"username": "x", "password": "y"}',
}


@pytest.fixture
def web(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("path", [path for path in BODIES if path.startswith("/api/")])
def test_byte_order_mark_is_named(web: httpx.Client, path: str, encoding: str) -> None:
    answer = web.post(path, content=BODIES[path].encode(encoding), headers=JSON)

    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_request")
    assert "byte order mark" in error_of(answer)["message"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_byte_order_mark_is_read_where_the_engine_reads_it(web: httpx.Client, encoding: str) -> None:
    path = "/v1/chat/completions"
    text = BODIES[path] if encoding != "utf-16-be" else f"\ufeff{BODIES[path]}"

    answer = web.post(path, content=text.encode(encoding), headers=JSON)

    assert answer.status_code == 200


@pytest.mark.parametrize("path", BODIES)
def test_compressed_body_is_415(web: httpx.Client, path: str) -> None:
    body = gzip.compress(BODIES[path].encode())

    answer = web.post(path, content=body, headers={**JSON, "Content-Encoding": "gzip"})

    assert (answer.status_code, error_of(answer)["code"]) == (415, "unsupported_media_type")
    assert "Content-Encoding: gzip" in error_of(answer)["message"]
    assert answer.headers["accept-encoding"] == "identity"


def test_body_that_is_said_to_be_uncompressed_is_read(web: httpx.Client) -> None:
    answer = web.post(
        "/api/conversations",
        content=BODIES["/api/conversations"],
        headers={**JSON, "Content-Encoding": "identity"},
    )

    assert answer.status_code == 201


LOOSE = {
    "/v1/chat/completions/": "/v1/chat/completions",
    "/v1/chat/completions//": "/v1/chat/completions",
    "//v1/chat/completions": "/v1/chat/completions",
    "/v1//chat/completions": "/v1/chat/completions",
    "/v1/models/": "/v1/models",
    "/v1//models": "/v1/models",
    "/v1/models/current/": "/v1/models/current",
}


@pytest.mark.parametrize("path", LOOSE)
def test_openais_paths_are_served_with_slashes_more(web: httpx.Client, path: str) -> None:
    right = LOOSE[path]
    body = BODIES.get(right)
    method = "POST" if body else "GET"
    # As text: the client would take `//v1` for a host.
    url = web.base_url.copy_with(raw_path=path.encode())

    answer = web.request(method, url, content=body, headers=JSON)
    usual = web.request(method, right, content=body, headers=JSON)

    assert (answer.status_code, usual.status_code) == (200, 200)
    assert answer.json().keys() == usual.json().keys()
    assert answer.json()["object"] == usual.json()["object"]


@pytest.mark.parametrize("offer", ["h2c", "H2C"])
@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
def test_body_arrives_with_an_offer_to_speak_http2(gateway: GatewayProcess, path: str, offer: str) -> None:
    """Which Java's HttpClient makes."""
    headers = {
        "Authorization": f"Bearer {gateway.token()}",
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": offer,
        "HTTP2-Settings": "AAEAAEAA",
    }
    with closing(HTTPConnection("127.0.0.1", gateway.port, timeout=10)) as connection:
        for _again in range(2):
            connection.request("POST", path, BODIES[path].encode(), headers)
            answer = connection.getresponse()
            answer.read()

            assert answer.status == 200


UNTIDY = {
    "/v1/v1/": "",
    "/v1/": "",
    "/v1/nothing//at/all": "",
    "/api/chat/": "/api/chat",
    "//api//chat//": "/api/chat",
    "/api/models/events/": "/api/models/events",
    "/api/conversations/": "/api/conversations",
    "//api/keys": "/api/keys",
    "/api/auth/login/": "/api/auth/login",
    "/health/": "/health",
    "/api/nothing/": "",
}


@pytest.mark.parametrize("path", UNTIDY)
def test_untidy_path_is_a_404_that_names_the_path_to_use(gateway: GatewayProcess, path: str) -> None:
    # As text: the client would take `//v1` for a host.
    url = httpx.URL(gateway.url, path="/").copy_with(raw_path=path.encode())

    answer = httpx.post(url, json={})

    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (404, "not_found")
    assert error["message"].endswith(f" Use {UNTIDY[path]}.") == bool(UNTIDY[path])
    assert ("Use" in error["message"]) == bool(UNTIDY[path])


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/chat", {"POST", "OPTIONS"}),
        ("/v1/chat/completions", {"POST", "OPTIONS"}),
        ("/v1/models", {"GET", "HEAD", "OPTIONS"}),
        ("/api/models/events", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_options_answers_what_a_path_of_the_chat_plane_takes(
    gateway: GatewayProcess, path: str, methods: set[str]
) -> None:
    answer = httpx.options(gateway.url + path)

    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (204, methods)
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/", "/health", "/health/ready", "/api/conversations", "/api/keys"])
def test_options_answers_what_a_path_of_the_pages_plane_takes(web: httpx.Client, path: str) -> None:
    answer = web.options(path)

    assert "GET" in answer.headers["allow"]
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("name", ["SIMULATED", "Simulated", " simulated ", "Current"])
def test_model_in_other_capitals_is_a_404_that_names_the_spelling(web: httpx.Client, name: str) -> None:
    body = {"model": name, "messages": [{"role": "user", "content": "x"}]}

    answers = [web.post(path, json=body) for path in ("/api/chat", "/v1/chat/completions")]
    answers.append(web.get(f"/v1/models/{name}"))

    right = name.strip().lower()
    for answer in answers:
        assert (answer.status_code, error_of(answer)["code"]) == (404, "model_not_found")
        assert f"It is spelled `{right}`." in error_of(answer)["message"]
