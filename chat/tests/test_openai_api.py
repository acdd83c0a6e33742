"""/v1 against a running gateway and a simulated engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chat.tests.streams import error_of
from gateway.tests.live import GatewayProcess

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {
    "model": "simulated",
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 6,
}


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with gateway.client() as session:
        yield session


def test_a_plain_answer_is_the_engines_own(client: httpx.Client, simulator: str) -> None:
    ours = client.post(CHAT, json=HELLO).json()
    theirs = httpx.post(simulator + CHAT, json=HELLO).json()

    volatile = {"id", "created"}
    assert {k: v for k, v in ours.items() if k not in volatile} == {
        k: v for k, v in theirs.items() if k not in volatile
    }


STREAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (CHAT, HELLO),
    "two choices": (CHAT, HELLO | {"n": 2}),
    "text": ("/v1/completions", {"model": "simulated", "prompt": "x", "max_tokens": 4}),
    "batch": ("/v1/completions", {"model": "simulated", "prompt": ["x", "y"], "max_tokens": 4}),
}
OPTIONS: list[dict[str, Any] | None] = [
    None,
    {},
    {"include_usage": True},
    {"include_usage": False},
    {"continuous_usage_stats": True},
    {"include_usage": True, "continuous_usage_stats": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=repr)
@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_is_the_engines_own_byte_for_byte(
    client: httpx.Client, simulator: str, kind: str, options: dict[str, Any] | None
) -> None:
    """But for the order in which choices that are generated at a time come."""
    path, body = STREAMS[kind]
    body = body | {"stream": True, "stream_options": options}

    ours = client.post(path, json=body).text
    theirs = httpx.post(simulator + path, json=body).text

    assert sorted(events_of(ours)) == sorted(events_of(theirs))
    assert theirs.count("system_fingerprint") > 0
    assert ours.endswith("data: [DONE]\n\n")


def events_of(stream: str) -> list[str]:
    """The events, without what differs from one answer to the next."""
    return re.sub(r'"id":"[^"]+"|"created":[0-9]+', "", stream).split("\n\n")


def test_completions_stream_too(client: httpx.Client) -> None:
    with client.stream(
        "POST", "/v1/completions", json={"model": "current", "prompt": "x", "max_tokens": 4, "stream": True}
    ) as response:
        text = response.read().decode()

    assert response.status_code == 200
    assert text.count('"text"') >= 4
    assert text.endswith("data: [DONE]\n\n")


def test_unknown_fields_reach_the_engine(client: httpx.Client) -> None:
    answer = client.post(CHAT, json=HELLO | {"vllm_xargs": {"sim_fault": "error_status", "sim_status": 418}})

    assert answer.status_code == 418


def test_an_in_band_error_before_the_first_token_keeps_its_status(client: httpx.Client) -> None:
    fault = {"vllm_xargs": {"sim_fault": "in_band_error", "sim_after": 0}}

    answer = client.post(CHAT, json=HELLO | fault | {"stream": True})

    # The engine had begun with a role event, which is not a token but is a byte: so either is right,
    # a status of its own or one error event, and never a stream that ends as if all was well.
    if answer.status_code == 200:
        assert answer.text.count('"error"') == 1
        assert answer.text.endswith("data: [DONE]\n\n")
    else:
        assert error_of(answer)["code"] == "upstream_unavailable"


@pytest.mark.parametrize("named", [{}, {"model": None}, {"model": ""}])
def test_the_model_may_be_left_out(client: httpx.Client, named: dict[str, Any]) -> None:
    body = {k: v for k, v in HELLO.items() if k != "model"} | named

    assert client.post(CHAT, json=body).json()["model"] == "simulated"


@pytest.mark.parametrize("yes", [True, 1, "true", "Yes"])
def test_whatever_the_engine_takes_for_true_makes_a_stream(client: httpx.Client, yes: object) -> None:
    answer = client.post(CHAT, json=HELLO | {"stream": yes})

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")


def test_models_are_listed_without_the_engines_private_facts(client: httpx.Client) -> None:
    listed = client.get("/v1/models").json()

    assert [card["id"] for card in listed["data"]] == ["simulated", "current"]
    assert listed["data"][0]["max_model_len"] == 4096
    assert "root" not in listed["data"][0]
    assert client.get("/v1/models/current").json()["parent"] == "simulated"
    assert error_of(client.get("/v1/models/gpt-9"))["code"] == "model_not_found"


def test_an_unknown_model_names_what_is_served(client: httpx.Client) -> None:
    answer = client.post(CHAT, json=HELLO | {"model": "gpt-9"})

    assert answer.status_code == 404
    assert error_of(answer)["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("change", "param"),
    [({"temperature": -1}, "temperature"), ({"max_tokens": 0}, "max_tokens"), ({"n": 0}, None)],
)
def test_the_engines_refusals_keep_status_and_param(
    client: httpx.Client, change: dict[str, Any], param: str | None
) -> None:
    answer = client.post(CHAT, json=HELLO | change)

    assert answer.status_code == 400
    assert (error_of(answer)["code"], error_of(answer)["param"]) == ("invalid_request", param)


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"model": 3}', b'{"stream": "maybe"}', b'{"stream_options": 1}', b"[" * 5000]
)
def test_a_body_the_gateway_cannot_act_on_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post(CHAT, content=body)

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "invalid_request"


def test_v1_needs_a_credential(gateway: GatewayProcess) -> None:
    for path in ("/v1/models", "/v1/models/current"):
        assert error_of(httpx.get(gateway.url + path))["code"] == "invalid_api_key"
    assert error_of(httpx.post(gateway.url + CHAT, json=HELLO))["code"] == "invalid_api_key"


@pytest.mark.parametrize("header", ["x-api-key", "API-Key"])
def test_v1_takes_a_credential_in_the_headers_of_other_makers(gateway: GatewayProcess, header: str) -> None:
    with gateway.client() as client:
        key = client.post("/api/keys", json={"name": header, "scopes": ["chat"]}).json()["key"]
    with httpx.Client(base_url=gateway.url) as client:
        for credential in (key, gateway.token()):
            given = {header: credential}
            assert client.get("/v1/models", headers=given).status_code == 200
            assert client.post(CHAT, json=HELLO, headers=given).status_code == 200
        other = given | {"Authorization": f"Bearer {key}"}
        refused = client.get("/v1/models", headers=other)
        elsewhere = client.get("/api/auth/me", headers=given)

    assert (refused.status_code, error_of(refused)["code"]) == (401, "invalid_api_key")
    assert "two different credentials" in error_of(refused)["message"]
    assert elsewhere.status_code == 401


def test_nothing_of_v1_is_kept(client: httpx.Client) -> None:
    before = client.get("/api/conversations").json()["first_id"]

    client.post(CHAT, json=HELLO)

    assert client.get("/api/conversations").json()["first_id"] == before
