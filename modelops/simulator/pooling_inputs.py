"""What the pooling endpoints have in common: their inputs, their usage, vectors of texts."""

from __future__ import annotations

import hashlib
import math
import struct
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from modelops.simulator import tokenizer
from modelops.simulator.bodies import Body, describe, read_text
from modelops.simulator.chat import read_messages
from modelops.simulator.errors import ApiError, context_overflow, malformed
from modelops.simulator.flags import ServeSettings
from modelops.simulator.requests import response_id

DEFAULT_DIMENSIONS = 384
_PLACES_PER_WORD = 4


def read_inputs(body: Body, settings: ServeSettings) -> list[str]:
    """The texts of ``input``, which may be token ids, or the one text of ``messages``.

    Raises ApiError 400 for one that is longer than the context.
    """
    if "messages" in body:
        texts = [tokenizer.render_chat(read_messages(body), add_generation_prompt=False)]
    else:
        texts = _read_texts(body)
    check_lengths(texts, settings)
    return texts


def _read_texts(body: Body) -> list[str]:
    value = body.get("input")
    if isinstance(value, str):
        return [value]
    if value == []:
        raise ApiError("You must pass at least one prompt")
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return list(value)
        if all(isinstance(item, int) for item in value):
            return [tokenizer.decode(value)]
        if all(isinstance(item, list) and item and all(isinstance(i, int) for i in item) for item in value):
            return [tokenizer.decode(item) for item in value]
    if value is None:
        raise malformed("missing", path="body.input", message="Field required", found=describe(body))
    raise malformed(
        "string_type", path="body.input", message="Input should be a valid string", found=describe(value)
    )


def check_model(body: Body, settings: ServeSettings) -> None:
    """Raise 404 unless the body names a served model or none; these endpoints do not name the others."""
    model = read_text(body, "model")
    if model and not settings.serves(model):
        raise ApiError(f"The model `{model}` does not exist.", status=404, kind="NotFoundError")


def check_lengths(texts: Sequence[str], settings: ServeSettings) -> None:
    longest = max(map(tokenizer.count, texts), default=0)
    if longest > settings.max_model_len:
        raise context_overflow(max_model_len=settings.max_model_len, prompt_tokens=longest)


def embed_text(text: str, *, dimensions: int = DEFAULT_DIMENSIONS) -> list[float]:
    """A deterministic unit vector: each word adds ±1 at places taken from its hash."""
    vector = [0.0] * dimensions
    for word in text.lower().split() or [""]:
        digest = hashlib.sha256(word.encode(errors="replace")).digest()
        for place in range(_PLACES_PER_WORD):
            position, sign = struct.unpack_from(">IB", digest, place * 5)
            vector[position % dimensions] += 1.0 if sign % 2 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0.0:
        vector[0] = length = 1.0
    return [value / length for value in vector]


def write_usage(prompt_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt_tokens,
        "total_tokens": prompt_tokens,
        "completion_tokens": 0,
        "prompt_tokens_details": None,
        "completion_tokens_details": None,
    }


def write_list(
    request: web.Request,
    body: Body,
    settings: ServeSettings,
    *,
    prefix: str,
    data: list[dict[str, Any]],
    prompt_tokens: int,
) -> web.Response:
    """The list in which all of these endpoints but rerank answer."""
    payload = {
        "id": response_id(request, body, prefix),
        "object": "list",
        "created": int(time.time()),
        "model": settings.canonical_name,
        "data": data,
        "usage": write_usage(prompt_tokens),
    }
    return web.Response(body=msgspec.json.encode(payload), content_type="application/json")
