"""``POST /v1/embeddings``: unit vectors from the words of a text, so that similar texts are near."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
import time
from typing import Any

import msgspec
from aiohttp import web

from modelops.simulator import tokenizer
from modelops.simulator.bodies import decode_body, read_int
from modelops.simulator.completions import read_prompts
from modelops.simulator.errors import context_overflow, invalid_value
from modelops.simulator.requests import ENGINE, check_model, response_id

_DEFAULT_DIMENSIONS = 384
_MAX_DIMENSIONS = 4096
_PLACES_PER_WORD = 4


def embed_text(text: str, *, dimensions: int) -> list[float]:
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


async def create_embedding(request: web.Request) -> web.Response:
    """Vectors as numbers or as base64 of little-endian float32, with usage."""
    engine = request.app[ENGINE]
    settings = engine.settings
    body = decode_body(await request.read())
    texts = read_prompts(body, "input")
    check_model(body, settings)
    encoding = body.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise invalid_value("encoding_format must be float or base64.", param="encoding_format")
    dimensions = read_int(body, "dimensions") or _DEFAULT_DIMENSIONS
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise invalid_value("dimensions is out of range.", param="dimensions", value=dimensions)
    counts = [tokenizer.count(text) for text in texts]
    if max(counts) > settings.max_model_len:
        raise context_overflow(max_model_len=settings.max_model_len, prompt_tokens=max(counts))
    async with engine.admit(sequences=len(texts), prompt_tokens=sum(counts)):
        vectors = [embed_text(text, dimensions=dimensions) for text in texts]
    payload = {
        "id": response_id(request, body, "embd"),
        "object": "list",
        "created": int(time.time()),
        "model": settings.canonical_name,
        "data": [
            {"index": i, "object": "embedding", "embedding": _encode(vector, encoding)}
            for i, vector in enumerate(vectors)
        ],
        "usage": _usage(sum(counts)),
    }
    return web.Response(body=msgspec.json.encode(payload), content_type="application/json")


def _encode(vector: list[float], encoding: str) -> list[float] | str:
    if encoding == "float":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _usage(prompt_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt_tokens,
        "total_tokens": prompt_tokens,
        "completion_tokens": 0,
        "prompt_tokens_details": None,
        "completion_tokens_details": None,
    }
