"""Embeddings, scores, classes and tokens: passed through as chats are, and counted by what was read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chat.endpoints import DETOKENIZE, OPENAI_ENDPOINTS, POOLING_ENDPOINTS, TOKENIZE
from chat.tests.scripted_engine import ScriptedEngine
from chat.tests.streams import error_of
from gateway.tests.live import GatewayProcess, wait_until

ANSWER = b'{"id": "x", "object": "list", "data": [{"index": 0, "embedding": [0.1, 1e-05]}], "usage": {"prompt_tokens": 7, "total_tokens": 7}}'  # noqa: E501
BODIES: dict[str, dict[str, Any]] = {
    "/v1/embeddings": {"input": ["a", "b"], "encoding_format": "base64", "dimensions": 8},
    "/v2/embed": {"texts": ["a"], "embedding_types": ["float"]},
    "/rerank": {"query": "q", "documents": ["a", "b"], "top_n": 1},
    "/v1/rerank": {"query": "q", "documents": ["a", {"content": [{"type": "text", "text": "b"}]}]},
    "/v2/rerank": {"query": "q", "documents": ["a"]},
    "/score": {"text_1": "a", "text_2": ["b", "c"]},
    "/v1/score": {"queries": "a", "documents": ["b"]},
    "/classify": {"input": "a"},
    "/v1/classify": {"messages": [{"role": "user", "content": "a"}]},
    "/pooling": {"input": [1, 2, 3], "task": "token_embed"},
    "/tokenize": {"prompt": "a", "add_special_tokens": False},
    "/detokenize": {"tokens": [1, 2]},
}


@pytest.fixture
def engine(scripted_engine: ScriptedEngine) -> Iterator[ScriptedEngine]:
    scripted_engine.reply(ANSWER, content_type="application/json")
    for heard in (scripted_engine.received, scripted_engine.received_paths):
        heard.clear()
    yield scripted_engine


def key_for(gateway: GatewayProcess, *scopes: str) -> dict[str, str]:
    options = [option for scope in scopes for option in ("--scope", scope)]
    key = gateway.manage("create_api_key", "demo", "--quiet", *options).strip()
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("endpoint", [*POOLING_ENDPOINTS, TOKENIZE, DETOKENIZE], ids=lambda row: row.path)
def test_path_is_passed_through(odd_client: httpx.Client, engine: ScriptedEngine, endpoint: Any) -> None:
    body = BODIES[endpoint.path]

    answer = odd_client.post(endpoint.path, json={"model": "current", **body})

    assert (answer.status_code, answer.content) == (200, ANSWER)
    assert engine.received_paths == [endpoint.engine_path or endpoint.path]
    [received] = engine.received
    assert ("cache_salt" in received) is endpoint.is_salted
    assert received.items() >= {**body, "model": "scripted"}.items()


def test_what_was_read_is_counted_by_path(odd_gateway: GatewayProcess, engine: ScriptedEngine) -> None:
    with odd_gateway.client("admin") as client:
        client.post("/v1/rerank", json=BODIES["/v1/rerank"]).raise_for_status()

        [used] = wait_until(
            lambda: client.get("/api/usage?group_by=endpoint").json()["data"], what="the use to be stored"
        )

    assert (used["endpoint"], used["prompt_tokens"], used["completion_tokens"]) == ("/v1/rerank", 7, 0)


@pytest.mark.parametrize("endpoint", OPENAI_ENDPOINTS, ids=lambda row: row.path)
def test_no_path_is_for_strangers(odd_gateway: GatewayProcess, engine: ScriptedEngine, endpoint: Any) -> None:
    answer = httpx.post(odd_gateway.url + endpoint.path, json=BODIES.get(endpoint.path, {}))

    assert answer.status_code == 401
    assert engine.received_paths == []


def test_key_needs_the_scope_of_the_path(odd_gateway: GatewayProcess, engine: ScriptedEngine) -> None:
    chatting, embedding = key_for(odd_gateway, "chat"), key_for(odd_gateway, "embeddings")

    def status(path: str, key: dict[str, str]) -> int:
        return httpx.post(odd_gateway.url + path, json=BODIES[path], headers=key).status_code

    assert (status("/v1/embeddings", chatting), status("/v1/embeddings", embedding)) == (403, 200)
    assert (status("/rerank", chatting), status("/rerank", embedding)) == (403, 200)
    assert (status("/tokenize", chatting), status("/tokenize", embedding)) == (200, 200)
    assert engine.received_paths == ["/v1/embeddings", "/rerank", "/tokenize", "/tokenize"]


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("/rerank", {"documents": [{"content": [{"image_url": {"url": "http://10.0.0.1/"}}]}]}, "documents"),
        ("/score", {"data_2": {"content": [{"image_url": "file:///etc/passwd"}]}}, "data_2"),
        ("/v2/embed", {"images": ["http://10.0.0.1/a.png"]}, "images"),
        ("/v2/embed", {"inputs": [{"content": [{"image_url": {"url": "http://a/"}}]}]}, "inputs"),
        ("/v1/embeddings", {"messages": [[{"content": [{"image_url": {"url": "http://a/"}}]}]]}, "messages"),
        ("/pooling", {"data": {"data": "http://10.0.0.1/", "data_format": "url"}}, "data"),
        ("/v1/embeddings", {"input": ["a"] * 3000}, "input"),
        ("/v1/embeddings", {"input": "a", "chat_template": "{{ 1 }}"}, "chat_template"),
        ("/tokenize", {"messages": "a"}, "messages"),
    ],
)
def test_what_the_engine_must_not_hear_is_refused(
    odd_client: httpx.Client, engine: ScriptedEngine, path: str, fields: dict[str, Any], param: str
) -> None:
    answer = odd_client.post(path, json={**BODIES[path], **fields})

    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_request")
    assert error_of(answer)["param"].partition(".")[0] == param
    assert engine.received == []


def test_batch_of_chats_is_an_answer_with_a_choice_for_each(
    odd_client: httpx.Client, engine: ScriptedEngine
) -> None:
    choices = [
        {"index": index, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
        for index in range(2)
    ]
    whole = json.dumps({"id": "1", "choices": choices, "usage": {"prompt_tokens": 2, "completion_tokens": 2}})
    engine.reply(whole.encode(), content_type="application/json")
    chats = [[{"role": "user", "content": text}] for text in "ab"]

    answer = odd_client.post("/v1/chat/completions/batch", json={"messages": chats})

    assert answer.json() == json.loads(whole)
    assert engine.received[0]["messages"] == chats


def test_numbers_as_bytes_pass_with_what_describes_them(
    odd_client: httpx.Client, engine: ScriptedEngine
) -> None:
    numbers = b'{"\x00\xff\x80' * 100
    described = '{"data": [{"index": 0, "shape": [100]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}'
    engine.reply(numbers, content_type="application/octet-stream")
    engine.headers["metadata"] = described

    answer = odd_client.post("/v1/embeddings", json={"input": "a", "encoding_format": "bytes"})

    assert (answer.status_code, answer.content) == (200, numbers)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["metadata"] == described


def test_answer_that_a_browser_would_run_is_not_passed_on_as_one(
    odd_client: httpx.Client, engine: ScriptedEngine
) -> None:
    engine.reply(b"<script>alert(1)</script>", content_type="text/html")

    answer = odd_client.post("/v1/embeddings", json={"input": "a"})
    refused = odd_client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "a"}]})

    assert answer.headers["content-type"] == "application/octet-stream"
    assert (refused.status_code, error_of(refused)["code"]) == (502, "upstream_unavailable")
