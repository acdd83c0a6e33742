"""OpenAI's paths, each a pipeline of stages like those in `chat.views`. Nothing is stored."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from accounts.scopes import Scope
from chat.endpoints import Endpoint
from chat.engine_admission import RouteRequest
from chat.generation import Generation
from chat.prompt_cache import private_media_id
from chat.responses import PassedThroughAnswer, StreamedAnswer
from chat.routing import call_for_openai, list_model_cards, wants_usage
from chat.schemas import parse_openai_request
from chat.stages import admit_generation, call_if_allowed, find_route, salt_of
from chat.web_runtime import get_runtime
from gateway.errors import ModelNotFound
from gateway.shortening import shorten
from gateway.wording import fill_in
from modelops.serving.routes import CURRENT, find_spelling, misspelled_message


async def call_engine(request: Request, *, endpoint: Endpoint) -> Response:
    """POST to one of OpenAI's paths: nothing is stored, and a client that leaves ends the answer at once."""
    runtime = await get_runtime()
    principal, headers = await admit_generation(runtime, request, *endpoint.scopes)
    body = parse_openai_request(
        await request.body(),
        endpoint.caps,
        runtime.config,
        make_private=partial(private_media_id, secret=runtime.config.secret_key, user_id=principal.user_id),
    )
    is_stream = endpoint.can_stream and bool(body.get("stream"))
    route = await find_route(runtime, request, principal, body["model"], endpoint)
    generation = Generation(
        admission=runtime.engine_admission,
        request=RouteRequest(body["model"], is_stream=is_stream),
        engine=runtime.engine,
        make_call=partial(
            call_if_allowed,
            principal=principal,
            board=runtime.board,
            endpoint=endpoint,
            make_call=partial(
                call_for_openai,
                endpoint=endpoint,
                body=body,
                salt=salt_of(runtime.config, principal),
                traceparent=request.headers.get("traceparent"),
            ),
        ),
        timeouts=runtime.timeouts,
        max_bytes=runtime.config.max_answer_bytes,
        model=route.model,
        keep_usage=wants_usage(body),
        endpoint=endpoint.path,
    )
    answer = StreamedAnswer if is_stream else PassedThroughAnswer
    return answer(generation, headers=headers, registry=runtime.registry)


async def list_models(request: Request) -> Response:
    """GET /v1/models."""
    return JSONResponse({"object": "list", "data": await list_usable_cards(request)})


async def get_model(request: Request) -> Response:
    """GET /v1/models/{id}."""
    wanted = request.path_params["model_id"]
    cards = {card["id"]: card for card in await list_usable_cards(request)}
    if wanted in cards:
        return JSONResponse(cards[wanted])
    spelling = find_spelling(wanted, cards)
    if spelling is not None:
        raise ModelNotFound(misspelled_message(wanted, spelling), param="model")
    raise ModelNotFound(fill_in("The model `{model}` is not served.", model=shorten(wanted)), param="model")


async def list_usable_cards(request: Request) -> list[dict[str, Any]]:
    """The served models that the caller's credential may use."""
    runtime = await get_runtime()
    principal = await runtime.request_admission.authenticate(
        request, Scope.MODELS_READ, Scope.CHAT, Scope.EMBEDDINGS
    )
    cards = list_model_cards(runtime.board)
    # An adapter is a model of its own; `current` is the one that it stands for.
    names = {card["id"]: card["parent"] if card["id"] == CURRENT else card["id"] for card in cards}
    return [card for card in cards if principal.may_use_model(names[card["id"]])]
