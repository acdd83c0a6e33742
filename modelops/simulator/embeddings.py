"""``POST /v1/embeddings``: unit vectors from the words of a text, so that similar texts are near."""

from __future__ import annotations

import base64
import struct

from aiohttp import web

from modelops.simulator import tokenizer
from modelops.simulator.bodies import Body, decode_body, describe, read_int
from modelops.simulator.errors import ApiError, malformed
from modelops.simulator.flags import ServeSettings
from modelops.simulator.pooling_inputs import (
    DEFAULT_DIMENSIONS,
    check_model,
    embed_text,
    read_inputs,
    write_list,
)
from modelops.simulator.requests import ENGINE

_MAX_DIMENSIONS = 4096


async def create_embedding(request: web.Request) -> web.Response:
    """Vectors as numbers or as base64 of little-endian float32, with usage."""
    engine = request.app[ENGINE]
    settings = engine.settings
    body = decode_body(await request.read())
    texts = read_inputs(body, settings)
    check_model(body, settings)
    encoding = read_encoding(body)
    dimensions = _read_dimensions(body, settings)
    tokens = sum(map(tokenizer.count, texts))
    async with engine.admit(sequences=len(texts), prompt_tokens=tokens):
        vectors = [embed_text(text, dimensions=dimensions) for text in texts]
    data = [
        {"index": i, "object": "embedding", "embedding": encode_vector(vector, encoding)}
        for i, vector in enumerate(vectors)
    ]
    return write_list(request, body, settings, prefix="embd", data=data, prompt_tokens=tokens)


def read_encoding(body: Body) -> str:
    encoding = body.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise malformed(
            "literal_error",
            path="body.encoding_format",
            message="Input should be 'float' or 'base64'",
            found=describe(encoding),
        )
    return str(encoding)


def _read_dimensions(body: Body, settings: ServeSettings) -> int:
    dimensions = read_int(body, "dimensions")
    if dimensions is None:
        return DEFAULT_DIMENSIONS
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise ApiError(
            f"Model {settings.canonical_name!r} only supports dimensions in range [1, {_MAX_DIMENSIONS}], "
            f"got {dimensions}."
        )
    return dimensions


def encode_vector(vector: list[float], encoding: str) -> list[float] | str:
    if encoding == "float":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
