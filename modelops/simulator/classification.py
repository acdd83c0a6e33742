"""``POST /classify`` and ``POST /pooling``: classes by the words of a text, and what lies beneath."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from aiohttp import web

from modelops.simulator import tokenizer
from modelops.simulator.bodies import Body, decode_body, read_text
from modelops.simulator.embeddings import encode_vector, read_encoding
from modelops.simulator.errors import invalid_value
from modelops.simulator.flags import ServeSettings
from modelops.simulator.pooling_inputs import check_model, embed_text, read_inputs, write_list
from modelops.simulator.requests import ENGINE
from modelops.simulator.tasks import Task

_LABELS = ("LABEL_0", "LABEL_1")
_TOKEN_TASKS = {Task.EMBED: "token_embed", Task.CLASSIFY: "token_classify"}


def classify_text(text: str) -> list[float]:
    """The shares of both classes, always the same for the same text."""
    digest = hashlib.sha256(text.encode(errors="replace")).digest()
    share = 1 / (1 + math.exp((digest[0] - 127.5) / 40))
    return [share, 1 - share]


async def create_classification(request: web.Request) -> web.Response:
    """``POST /classify``."""
    engine = request.app[ENGINE]
    body = decode_body(await request.read())
    texts = read_inputs(body, engine.settings)
    check_model(body, engine.settings)
    tokens = sum(map(tokenizer.count, texts))
    async with engine.admit(sequences=len(texts), prompt_tokens=tokens):
        shares = [classify_text(text) for text in texts]
    data = [
        {
            "index": i,
            "label": _LABELS[probs.index(max(probs))],
            "probs": probs,
            "num_classes": len(probs),
        }
        for i, probs in enumerate(shares)
    ]
    return write_list(request, body, engine.settings, prefix="classify", data=data, prompt_tokens=tokens)


async def create_pooling(request: web.Request) -> web.Response:
    """``POST /pooling``: the vector or the classes of each text, or of each of its tokens."""
    engine = request.app[ENGINE]
    body = decode_body(await request.read())
    texts = read_inputs(body, engine.settings)
    check_model(body, engine.settings)
    if body.get("dimensions") is not None:
        raise invalid_value("dimensions is currently not supported", param="dimensions")
    task = _choose_task(body, engine.settings)
    encoding = read_encoding(body)
    tokens = sum(map(tokenizer.count, texts))
    async with engine.admit(sequences=len(texts), prompt_tokens=tokens):
        pooled = [_pool(text, task, encoding) for text in texts]
    data = [{"index": i, "object": "pooling", "data": value} for i, value in enumerate(pooled)]
    return write_list(request, body, engine.settings, prefix="pooling", data=data, prompt_tokens=tokens)


def _choose_task(body: Body, settings: ServeSettings) -> str:
    """The task of the request, else the model's; a model that does everything takes each of them."""
    pooling = [task for task in (Task.EMBED, Task.CLASSIFY) if task in settings.tasks]
    supported = [name for task in pooling for name in (str(task), _TOKEN_TASKS[task])]
    task = read_text(body, "task") or str(pooling[0])
    if task not in supported:
        raise invalid_value(f"Unsupported task: {task!r} Supported tasks: {supported}", param="task")
    if len(pooling) == 1 and task != pooling[0]:
        raise invalid_value(
            f"Try switching the model's pooling_task via --pooler-config.task {task}.", param="task"
        )
    return task


def _pool(text: str, task: str, encoding: str) -> Any:
    pool = embed_text if task in ("embed", "token_embed") else classify_text
    if task in ("embed", "classify"):
        return encode_vector(pool(text), encoding)
    rows = [pool(piece) for piece in tokenizer.split(text)]
    return rows if encoding == "float" else encode_vector([each for row in rows for each in row], encoding)
