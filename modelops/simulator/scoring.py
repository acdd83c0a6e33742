"""``/score`` and ``/rerank``: how many words two texts share, as the cosine of their vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from modelops.simulator import tokenizer
from modelops.simulator.bodies import Body, decode_body, describe, read_int
from modelops.simulator.errors import ApiError, malformed
from modelops.simulator.pooling_inputs import check_lengths, check_model, embed_text, write_list
from modelops.simulator.requests import ENGINE, response_id

_PAIRS = (("queries", "documents"), ("queries", "items"), ("data_1", "data_2"), ("text_1", "text_2"))


def score_texts(first: str, second: str) -> float:
    """The cosine of both vectors: 1 for the same words, about 0 for none in common."""
    return sum(a * b for a, b in zip(embed_text(first), embed_text(second), strict=True))


async def create_score(request: web.Request) -> web.Response:
    """``POST /score``: one text against one, one against many, or many by pairs."""
    engine = request.app[ENGINE]
    body = decode_body(await request.read())
    names = next((pair for pair in _PAIRS if all(name in body for name in pair)), _PAIRS[0])
    first, second = (_read_texts(body, name) for name in names)
    _check_counts(first, second)
    check_model(body, engine.settings)
    check_lengths([*first, *second], engine.settings)
    tokens = sum(map(tokenizer.count, [*first, *second]))
    async with engine.admit(sequences=len(second), prompt_tokens=tokens):
        firsts = first * len(second) if len(first) == 1 else first
        scores = [score_texts(a, b) for a, b in zip(firsts, second, strict=True)]
    data = [{"index": i, "object": "score", "score": score} for i, score in enumerate(scores)]
    return write_list(request, body, engine.settings, prefix="score", data=data, prompt_tokens=tokens)


async def create_rerank(request: web.Request) -> web.Response:
    """``POST /rerank``: the documents by their score against the query, the nearest first."""
    engine = request.app[ENGINE]
    body = decode_body(await request.read())
    query, documents = _read_texts(body, "query"), _read_texts(body, "documents")
    top_n = read_int(body, "top_n") or 0
    if top_n < 0:
        message = "Input should be greater than or equal to 0"
        raise malformed("greater_than_equal", path="body.top_n", message=message, found=str(top_n))
    _check_counts(query, documents)
    check_model(body, engine.settings)
    check_lengths([*query, *documents], engine.settings)
    tokens = sum(map(tokenizer.count, [*query, *documents]))
    async with engine.admit(sequences=len(documents), prompt_tokens=tokens):
        scores = [score_texts(query[0], text) for text in documents]
    given = body["documents"] if isinstance(body["documents"], list) else [body["documents"]]
    ranked = sorted(range(len(given)), key=lambda number: -scores[number])
    results = [
        {"index": i, "document": _write_document(given[i]), "relevance_score": scores[i]} for i in ranked
    ]
    payload = {
        "id": response_id(request, body, "score"),
        "model": engine.settings.canonical_name,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        "results": results[: top_n or None],
    }
    return web.Response(body=msgspec.json.encode(payload), content_type="application/json")


def _check_counts(first: Sequence[str], second: Sequence[str]) -> None:
    if len(first) > 1 and len(first) != len(second):
        raise ApiError("Input lengths must be either 1:1, 1:N or N:N")
    if not first:
        raise ApiError("At least one text element must be given")
    if not second:
        raise ApiError("At least one text_pair element must be given")


def _read_texts(body: Body, name: str) -> list[str]:
    if name not in body:
        raise malformed("missing", path=f"body.{name}", message="Field required", found=describe(body))
    value = body[name]
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str | dict) for each in values):
        message = "Input should be a valid string"
        raise malformed("string_type", path=f"body.{name}", message=message, found=describe(value))
    return [each if isinstance(each, str) else tokenizer.message_text(each) for each in values]


def _write_document(document: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(document, str):
        return {"text": document, "multi_modal": None}
    return {"text": None, "multi_modal": document.get("content", [])}
