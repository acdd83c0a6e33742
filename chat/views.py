"""The chat plane's endpoints, each a pipeline of stages. Errors are raised, never caught here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from accounts.principals import Principal
from accounts.scopes import Scope
from chat.client import Headers
from chat.endpoints import Endpoint
from chat.engine_admission import RouteRequest
from chat.generation import Generation
from chat.prompt_cache import private_media_id, salt_fields
from chat.rendering import introduce_ids, render_answer, replay_answer
from chat.request_digest import digest_request
from chat.responses import CollectedAnswer, PassedThroughAnswer, StreamedAnswer
from chat.routing import call_for_chat, call_for_openai, limit_output, list_model_cards, wants_usage
from chat.said import read_said
from chat.schemas import ChatRequest, parse_chat_request, parse_openai_request
from chat.upstream import EngineCall
from chat.web_runtime import WebRuntime, get_runtime
from conversations.new_turns import NewTurn, Turn
from conversations.prompt_sizes import TurnLimits
from conversations.repeats import RepeatKey
from conversations.replies import CancelRequest
from gateway.conf import GatewayConfig
from gateway.errors import ModelNotFound
from gateway.request_id import current_request_id
from gateway.shortening import shorten
from modelops.serving.routes import Route, find_spelling, misspelled_message


async def chat(request: Request) -> Response:
    """POST /api/chat: authenticate, admit, parse, route, record, then answer."""
    runtime = await get_runtime()
    principal, headers = await admit_generation(runtime, request, Scope.CHAT)
    body = parse_chat_request(await request.body(), runtime.config)
    if body.conversation_id is not None:
        principal.require(Scope.HISTORY)  # its answers may repeat what the conversation holds
    digest = digest_request(body) if body.client_message_id else ""
    if (answered := await find_repeat(runtime, principal, body, digest)) is not None:
        return repeat_answer(answered, headers + ids_of(answered), principal, body)
    route = await find_route(runtime, request, principal, body.model)
    limit_output({"max_tokens": body.max_tokens}, route)  # before anything is recorded
    asked = await read_turn(runtime, principal, body, route, digest)
    begun = await runtime.turns.begin(asked, route) if body.store else None
    turn = begun.turn if begun else None
    if turn is not None:
        headers += ids_of(turn)
    if turn is not None and turn.replay is not None:
        return repeat_answer(turn, headers, principal, body)
    prompt = turn.prompt if turn else await runtime.turns.make_prompt(asked)
    generation = Generation(
        admission=runtime.engine_admission,
        request=RouteRequest(body.model, is_stream=body.stream),
        engine=runtime.engine,
        make_call=partial(
            call_if_allowed,
            principal=principal,
            make_call=partial(
                call_for_chat,
                request=body,
                prompt=prompt,
                salt=salt_of(runtime.config, principal),
                traceparent=request.headers.get("traceparent"),
            ),
        ),
        timeouts=runtime.timeouts,
        max_bytes=runtime.config.max_answer_bytes,
        model=route.model,
        finish_without_client=turn is not None and body.on_disconnect == "finish",
    )
    common: dict[str, Any] = {
        "headers": headers,
        "registry": runtime.registry,
        "recorder": runtime.recorder if turn else None,
        "message_id": turn.message_id if turn else None,
        "storing": begun.storing if begun else None,
    }
    if body.stream:
        return StreamedAnswer(generation, introduce=partial(introduce_ids, turn) if turn else None, **common)
    return CollectedAnswer(generation, render=partial(render_answer, turn), **common)


async def call_engine(request: Request, *, endpoint: Endpoint) -> Response:
    """POST to one of OpenAI's paths: nothing is stored, and a client that leaves ends the answer at once."""
    runtime = await get_runtime()
    principal, headers = await admit_generation(runtime, request, endpoint.scope)
    body = parse_openai_request(
        await request.body(),
        endpoint.caps,
        runtime.config,
        make_private=partial(private_media_id, secret=runtime.config.secret_key, user_id=principal.user_id),
    )
    is_stream = endpoint.can_stream and bool(body.get("stream"))
    route = await find_route(runtime, request, principal, body["model"])
    generation = Generation(
        admission=runtime.engine_admission,
        request=RouteRequest(body["model"], is_stream=is_stream),
        engine=runtime.engine,
        make_call=partial(
            call_if_allowed,
            principal=principal,
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
    raise ModelNotFound(f"The model `{shorten(wanted)}` is not served.", param="model")


async def cancel_message(request: Request) -> Response:
    """POST /api/conversations/{id}/messages/{id}/cancel: the stop button, from any replica. Idempotent."""
    runtime = await get_runtime()
    principal = await runtime.request_admission.authenticate(request, Scope.CHAT)
    message_id = request.path_params["message_id"]
    status = await runtime.cancellation.cancel(
        CancelRequest(principal.user_id, request.path_params["conversation_id"], message_id)
    )
    return JSONResponse({"id": str(message_id), "status": status}, status_code=202)


async def admit_generation(runtime: WebRuntime, request: Request, scope: Scope) -> tuple[Principal, Headers]:
    """The caller, whose credential has `scope`, and the rate headers of the answer.

    Raises AuthenticationFailed, PermissionDenied or one of the 429s.
    """
    principal, admission = await runtime.request_admission.admit_generation(request, scope)
    return principal, [(name.encode(), value.encode()) for name, value in admission.headers.items()]


async def list_usable_cards(request: Request) -> list[dict[str, Any]]:
    """The served models that the caller's credential may use."""
    runtime = await get_runtime()
    principal = await runtime.request_admission.authenticate(
        request, Scope.MODELS_READ, Scope.CHAT, Scope.EMBEDDINGS
    )
    cards = list_model_cards(runtime.board)
    return [card for card in cards if principal.may_use_model(card.get("parent", card["id"]))]


def call_if_allowed(
    route: Route, *, principal: Principal, make_call: Callable[[Route], EngineCall]
) -> EngineCall:
    """The call, unless the caller may not use the model, which a switch may have changed during a wait.

    Raises PermissionDenied.
    """
    principal.require_model(route.model)
    return make_call(route)


async def find_route(runtime: WebRuntime, request: Request, principal: Principal, model: str) -> Route:
    """The route of the request, resolved before anything is recorded; switches the profile where allowed.

    Raises PermissionDenied, ModelNotFound, ModelSwitching, ModelLoading or NoModel.
    """
    route = runtime.board.resolve(model, may_switch=may_switch(runtime.config, principal))
    principal.require_model(route.model)
    if route.switch_to:
        await runtime.switch_to(route.switch_to, principal, request)
        route = runtime.board.resolve(model)
        principal.require_model(route.model)
    runtime.engine_admission.check_queue_space(route)
    return route


def may_switch(config: GatewayConfig, principal: Principal) -> bool:
    """Whether this caller's request for a profile that is not served switches to it."""
    return config.switch_on_request == "user" or (config.switch_on_request == "admin" and principal.is_admin)


async def find_repeat(
    runtime: WebRuntime, principal: Principal, body: ChatRequest, digest: str
) -> Turn | None:
    """The turn that this request repeats, whose stored answer needs no engine; None for a new message.

    Raises PermissionDenied for a credential without HISTORY where the message is stored, and
    ClientMessageIdReused where it asked for something else.
    """
    if body.client_message_id is None:
        return None
    return await runtime.turns.find_answer(
        RepeatKey(
            owner_id=principal.user_id,
            client_message_id=body.client_message_id,
            request_digest=digest,
            conversation_id=body.conversation_id,
            may_read=principal.has(Scope.HISTORY),
        )
    )


def repeat_answer(turn: Turn, headers: Headers, principal: Principal, body: ChatRequest) -> Response:
    """The stored answer. Raises PermissionDenied when the credential may not use the model that gave it."""
    if turn.replay is not None:
        principal.require_model(turn.replay.model)
    return replay_answer(turn, headers, is_stream=body.stream)


def salt_of(config: GatewayConfig, principal: Principal) -> dict[str, str]:
    return salt_fields(config, secret=config.secret_key, user_id=principal.user_id)


def ids_of(turn: Turn) -> Headers:
    return [
        (b"x-conversation-id", str(turn.conversation_id).encode()),
        (b"x-message-id", str(turn.message_id).encode()),
    ]


async def read_turn(
    runtime: WebRuntime, principal: Principal, body: ChatRequest, route: Route, digest: str
) -> NewTurn:
    """The turn that is asked for, the files of its messages attached. Raises as `read_said` and `attach`."""
    system_prompt, given = read_said(body, principal)
    return NewTurn(
        owner_id=principal.user_id,
        conversation_id=body.conversation_id,
        parent_id=body.parent_id,
        messages=await runtime.turns.attach(given),
        system_prompt=system_prompt,
        model=route.model,
        client_message_id=body.client_message_id,
        request_digest=digest,
        may_read=principal.has(Scope.HISTORY),
        request_id=current_request_id.get(),
        lease_s=runtime.config.message_lease_s,
        name_media=partial(private_media_id, secret=runtime.config.secret_key, user_id=principal.user_id),
        limits=TurnLimits(
            model=route.model,
            context_tokens=route.max_model_len,
            conversation_bytes=runtime.config.max_conversation_bytes,
        ),
    )
