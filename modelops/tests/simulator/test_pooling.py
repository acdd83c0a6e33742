"""Embeddings in all their forms, classes, scores and ranks, in the shapes of vLLM 0.32."""

from __future__ import annotations

import base64
import struct
from typing import Any

import aiohttp
import openai
import pytest

from modelops.tests.simulator.wire_helpers import ask

EMBEDDINGS = "/v1/embeddings"
DOCUMENTS = ["dogs bark", "cats purr softly", "a cat purrs"]


async def embed(engine: aiohttp.ClientSession, **fields: Any) -> Any:
    _, body = await ask(engine, fields, EMBEDDINGS)
    return [item["embedding"] for item in body["data"]]


async def test_the_client_embeds_in_the_dimensions_asked_for(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.embeddings.create(model="chat-a", input=["one", "two"], dimensions=128)

    assert [len(item.embedding) for item in answer.data] == [128, 128]
    assert answer.usage.prompt_tokens == 2


async def test_tokens_and_messages_are_embedded_as_their_text(agent_engine: aiohttp.ClientSession) -> None:
    _, tokens = await ask(agent_engine, {"prompt": "a cat sat"}, "/tokenize")
    messages = [{"role": "user", "content": "hello"}]

    (plain,) = await embed(agent_engine, input="a cat sat")
    several = await embed(agent_engine, input=[tokens["tokens"], tokens["tokens"]])
    (one,) = await embed(agent_engine, input=tokens["tokens"])
    (packed,) = await embed(agent_engine, input="a cat sat", encoding_format="base64")
    of_messages = await embed(agent_engine, messages=messages)

    assert several == [plain, plain]
    assert one == plain
    assert struct.unpack("<384f", base64.b64decode(packed)) == pytest.approx(plain)
    assert len(of_messages) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "1 validation error"),
        ({"input": 5}, "1 validation error"),
        (
            {"input": "a", "dimensions": 5000},
            "Model 'chat-a' only supports dimensions in range [1, 4096], got",
        ),
        ({"input": "a", "encoding_format": "hex"}, "1 validation error"),
        ({"input": []}, "You must pass at least one prompt"),
    ],
)
async def test_what_cannot_be_embedded_is_refused(
    agent_engine: aiohttp.ClientSession, fields: dict[str, Any], message: str
) -> None:
    status, body = await ask(agent_engine, fields, EMBEDDINGS)

    assert status == 400
    assert body["error"]["message"].startswith(message)


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
async def test_documents_are_ranked_by_the_words_they_share(
    agent_engine: aiohttp.ClientSession, path: str
) -> None:
    request = {"query": "a cat purrs", "documents": DOCUMENTS, "top_n": 2}

    _, body = await ask(agent_engine, request, path)

    assert list(body) == ["id", "model", "usage", "results"]
    assert body["results"][0]["index"] == 2
    assert len(body["results"]) == 2
    assert body["results"][0]["document"] == {"text": "a cat purrs", "multi_modal": None}
    assert body["results"][0]["relevance_score"] == pytest.approx(1)
    assert list(body["usage"]) == ["prompt_tokens", "total_tokens"]


async def test_documents_may_be_parts_of_a_message(agent_engine: aiohttp.ClientSession) -> None:
    parts = {"content": [{"type": "text", "text": "a cat purrs"}]}

    _, body = await ask(agent_engine, {"query": "a cat purrs", "documents": [parts]}, "/rerank")

    (result,) = body["results"]
    assert result["document"] == {"text": None, "multi_modal": parts["content"]}
    assert result["relevance_score"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("first", "second"),
    [("text_1", "text_2"), ("queries", "documents"), ("queries", "items"), ("data_1", "data_2")],
)
async def test_texts_are_scored_one_by_many_and_by_pairs(
    agent_engine: aiohttp.ClientSession, first: str, second: str
) -> None:
    _, many = await ask(agent_engine, {first: "a cat purrs", second: DOCUMENTS}, "/score")
    _, pairs = await ask(agent_engine, {first: DOCUMENTS, second: DOCUMENTS}, "/v1/score")

    assert [item["object"] for item in many["data"]] == ["score"] * 3
    assert many["data"][2]["score"] == pytest.approx(1)
    assert many["data"][0]["score"] < many["data"][2]["score"]
    assert [item["score"] for item in pairs["data"]] == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("/score", {"text_1": ["a", "b"], "text_2": ["a"]}, "Input lengths must be either 1:1, 1:N or N:N"),
        ("/score", {"text_1": "a", "text_2": []}, "At least one text_pair element must be given"),
        ("/score", {"text_1": "a"}, "1 validation error"),
        (
            "/rerank",
            {"query": "a", "documents": [], "top_n": 1},
            "At least one text_pair element must be given",
        ),
        ("/rerank", {"query": "a", "documents": ["b"], "top_n": -1}, "1 validation error"),
        ("/rerank", {"query": "a", "documents": ["b"], "model": "nope"}, "The model `nope` does not exist."),
        ("/pooling", {"input": "a", "dimensions": 5}, "dimensions is currently not supported"),
        ("/pooling", {"input": "a", "task": "plugin"}, "Unsupported task: 'plugin'"),
    ],
)
async def test_what_cannot_be_scored_is_refused(
    agent_engine: aiohttp.ClientSession, path: str, fields: dict[str, Any], message: str
) -> None:
    status, body = await ask(agent_engine, fields, path)

    assert status in (400, 404)
    assert body["error"]["message"].startswith(message)


async def test_texts_are_classified_the_same_way_each_time(agent_engine: aiohttp.ClientSession) -> None:
    _, body = await ask(agent_engine, {"input": ["good", "good", "bad"]}, "/classify")

    first, again, _ = body["data"]
    assert list(first) == ["index", "label", "probs", "num_classes"]
    assert first["probs"] == again["probs"]
    assert sum(first["probs"]) == pytest.approx(1)
    assert first["label"] == f"LABEL_{first['probs'].index(max(first['probs']))}"


async def test_pooling_gives_vectors_of_texts_and_of_tokens(agent_engine: aiohttp.ClientSession) -> None:
    (vector,) = await embed(agent_engine, input="two words")

    _, whole = await ask(agent_engine, {"input": "two words"}, "/pooling")
    _, tokens = await ask(agent_engine, {"input": "two words", "task": "token_embed"}, "/pooling")
    _, classes = await ask(agent_engine, {"input": "two words", "task": "classify"}, "/pooling")

    assert whole["data"] == [{"index": 0, "object": "pooling", "data": vector}]
    assert [len(row) for row in tokens["data"][0]["data"]] == [384, 384]
    assert len(classes["data"][0]["data"]) == 2
