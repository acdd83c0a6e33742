"""The HTTP application: routes, the key check and the small endpoints around generation."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from modelops.simulator import tokenizer
from modelops.simulator.bodies import decode_body, read_bool, read_generation_prompt, read_text
from modelops.simulator.chat import create_chat_completion, read_messages
from modelops.simulator.chat_batch import create_chat_batch
from modelops.simulator.classification import create_classification, create_pooling
from modelops.simulator.completions import create_completion
from modelops.simulator.embeddings import create_embedding
from modelops.simulator.engine import SimulatedEngine
from modelops.simulator.errors import ApiError, malformed
from modelops.simulator.flags import VERSION
from modelops.simulator.memory import BLOCK_TOKENS
from modelops.simulator.messages import count_tokens, create_message
from modelops.simulator.metrics import render_metrics
from modelops.simulator.paths import is_counted_as_load, list_paths
from modelops.simulator.requests import ENGINE, check_model
from modelops.simulator.responses import create_response, refuse_response
from modelops.simulator.scoring import create_rerank, create_score
from modelops.simulator.transcriptions import create_transcription, create_translation

_GUARDED = ("/v1", "/v2", "/inference")
_MAX_BODY_BYTES = 256 * 2**20
_LOAD: web.AppKey[list[int]] = web.AppKey("load", list)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(engine: SimulatedEngine) -> web.Application:
    """The application for one engine."""
    middlewares = [_translate_errors, _check_key]
    if engine.settings.track_load:
        middlewares.append(_track_load)
    app = web.Application(middlewares=middlewares, client_max_size=_MAX_BODY_BYTES)
    app[ENGINE] = engine
    app[_LOAD] = [0]
    app.add_routes(
        [web.route(method, path, _HANDLERS[path]) for path, method in list_paths(engine.settings.tasks)]
    )
    if engine.settings.sleep_enabled:
        app.add_routes(
            [
                web.post("/sleep", _sleep),
                web.post("/wake_up", _wake_up),
                web.get("/is_sleeping", _is_sleeping),
            ]
        )
    return app


def _json_response(payload: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(payload), status=status, content_type="application/json")


@web.middleware
async def _translate_errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """vLLM's error body for our refusals, the web framework's for unknown paths and methods."""
    try:
        return await handler(request)
    except ApiError as exc:
        return web.Response(body=exc.body(), status=exc.status, content_type="application/json")
    except web.HTTPException as exc:
        response = _json_response({"detail": exc.reason}, status=exc.status)
        if "Allow" in exc.headers:
            response.headers["Allow"] = exc.headers["Allow"]
        return response


@web.middleware
async def _check_key(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """``--api-key`` guards /v1 (and /v2, /inference) only; OPTIONS is free."""
    keys = request.app[ENGINE].settings.api_keys
    if keys and request.method != "OPTIONS" and request.path.startswith(_GUARDED):
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not _is_known(token, keys):
            return _json_response({"error": "Unauthorized"}, status=401)
    return await handler(request)


def _is_known(token: str, keys: tuple[str, ...]) -> bool:
    digest = hashlib.sha256(token.encode(errors="replace")).digest()
    matches = [hmac.compare_digest(digest, hashlib.sha256(key.encode()).digest()) for key in keys]
    return any(matches)


@web.middleware
async def _track_load(request: web.Request, handler: _Handler) -> web.StreamResponse:
    if not is_counted_as_load(request.path):
        return await handler(request)
    load = request.app[_LOAD]
    load[0] += 1
    try:
        return await handler(request)
    finally:
        load[0] -= 1


async def _health(request: web.Request) -> web.Response:
    return web.Response(status=200 if request.app[ENGINE].is_healthy else 503)


async def _version(_: web.Request) -> web.Response:
    return _json_response({"version": VERSION})


async def _load(request: web.Request) -> web.Response:
    return _json_response({"server_load": request.app[_LOAD][0]})


async def _metrics(request: web.Request) -> web.Response:
    engine = request.app[ENGINE]
    settings, memory = engine.settings, engine.memory
    cache_config = {
        "block_size": str(BLOCK_TOKENS),
        "cache_dtype": "auto",
        "enable_prefix_caching": "True",
        "engine": "0",
        "gpu_memory_utilization": str(settings.gpu_memory_utilization),
        "kv_cache_max_concurrency": str(memory.max_concurrency),
        "kv_cache_size_tokens": str(memory.kv_tokens),
        "num_gpu_blocks": str(memory.kv_blocks),
    }
    text = render_metrics(
        engine.metrics, engine.gauges(), model_name=settings.canonical_name, cache_config=cache_config
    )
    headers = {"Content-Type": "text/plain; version=1.0.0; charset=utf-8"}
    return web.Response(body=text.encode(), headers=headers)


async def _tokenize(request: web.Request) -> web.Response:
    settings = request.app[ENGINE].settings
    body = decode_body(await request.read())
    if "prompt" in body:
        text = read_text(body, "prompt") or ""
    else:
        messages = read_messages(body)
        adds, continues = read_generation_prompt(body)
        text = tokenizer.render_chat(messages, add_generation_prompt=adds, continue_final_message=continues)
    check_model(body, settings)
    tokens = tokenizer.encode(text)
    payload = {
        "count": len(tokens),
        "max_model_len": settings.max_model_len,
        "tokens": tokens,
        "token_strs": tokenizer.split(text) if read_bool(body, "return_token_strs") else None,
    }
    return _json_response(payload)


async def _detokenize(request: web.Request) -> web.Response:
    body = decode_body(await request.read())
    tokens = body.get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
        raise malformed("list_type", path="body.tokens", message="Input should be a valid list", found="?")
    check_model(body, request.app[ENGINE].settings)
    return _json_response({"prompt": tokenizer.decode(tokens)})


async def _models(request: web.Request) -> web.Response:
    settings = request.app[ENGINE].settings
    created = int(time.time())
    cards = [
        _model_card(name, model=settings.model, max_model_len=settings.max_model_len, created=created)
        for name in settings.served_model_names
    ]
    adapters = [
        _model_card(name, model=path, max_model_len=None, created=created, parent=settings.canonical_name)
        for name, path in settings.adapters.items()
    ]
    return _json_response({"object": "list", "data": cards + adapters})


def _model_card(
    name: str, *, model: str, max_model_len: int | None, created: int, parent: str | None = None
) -> dict[str, Any]:
    """vLLM's card, with ``simulated`` and a root that says so."""
    permission = {
        "id": f"modelperm-{secrets.token_hex(8)}",
        "object": "model_permission",
        "created": created,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "vllm",
        "root": f"simulated/{model}",
        "parent": parent,
        "max_model_len": max_model_len,
        "permission": [permission],
        "simulated": True,
    }


async def _sleep(request: web.Request) -> web.Response:
    """The level is a query parameter; a body is ignored, as in vLLM."""
    level = request.query.get("level", "1")
    if level not in ("0", "1", "2"):
        raise malformed("int_parsing", path="query.level", message="Input should be 0, 1 or 2", found=level)
    request.app[ENGINE].sleep(int(level))
    return _json_response({"status": "sleeping", "level": int(level)})


async def _wake_up(request: web.Request) -> web.Response:
    await request.app[ENGINE].wake_up()
    return _json_response({"status": "awake", "tags": request.query.getall("tags", []) or None})


async def _is_sleeping(request: web.Request) -> web.Response:
    return _json_response({"is_sleeping": request.app[ENGINE].sleep_level > 0})


_HANDLERS: Mapping[str, _Handler] = {
    "/health": _health,
    "/ping": _health,
    "/version": _version,
    "/load": _load,
    "/metrics": _metrics,
    "/tokenize": _tokenize,
    "/detokenize": _detokenize,
    "/v1/models": _models,
    "/v1/chat/completions": create_chat_completion,
    "/v1/chat/completions/batch": create_chat_batch,
    "/v1/completions": create_completion,
    "/v1/messages": create_message,
    "/v1/messages/count_tokens": count_tokens,
    "/v1/responses": create_response,
    "/v1/responses/{response_id}": refuse_response,
    "/v1/responses/{response_id}/cancel": refuse_response,
    "/v1/embeddings": create_embedding,
    "/classify": create_classification,
    "/pooling": create_pooling,
    **dict.fromkeys(("/score", "/v1/score"), create_score),
    **dict.fromkeys(("/rerank", "/v1/rerank", "/v2/rerank"), create_rerank),
    "/v1/audio/transcriptions": create_transcription,
    "/v1/audio/translations": create_translation,
}
