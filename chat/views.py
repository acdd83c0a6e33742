"""The endpoints of stored chats, each a pipeline of stages. Errors are raised, never caught here."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from accounts.principals import Principal
from accounts.scopes import Scope
from chat.client import Headers
from chat.engine_admission import RouteRequest
from chat.generation import Generation
from chat.rendering import introduce_ids, render_answer, replay_answer
from chat.request_digest import digest_request
from chat.responses import CollectedAnswer, StreamedAnswer
from chat.routing import call_for_chat, limit_output
from chat.schemas import AnswerRequest, ChatRequest, parse_answer_request, parse_chat_request
from chat.stages import admit_generation, call_if_allowed, find_route, salt_of
from chat.turn_recording import BegunTurn
from chat.web_runtime import WebRuntime, get_runtime
from conversations.branches import Prompt
from conversations.models import MessageRole
from conversations.new_turns import NewMessage, NewTurn, Turn
from conversations.prompt_sizes import TurnLimits
from conversations.repeats import RepeatKey
from conversations.replies import CancelRequest
from gateway.request_id import current_request_id
from modelops.serving.routes import Route


async def chat(request: Request) -> Response:
    """POST /api/chat and …/messages of a conversation: authenticate, admit, parse, route, record, answer."""
    runtime = await get_runtime()
    principal, headers = await admit_generation(runtime, request, Scope.CHAT)
    body = parse_chat_request(
        await request.body(), runtime.config, conversation_id=request.path_params.get("conversation_id")
    )
    if body.conversation_id is not None:
        principal.require(Scope.HISTORY)  # its answers may repeat what the conversation holds
    digest = digest_request(body) if body.client_message_id else ""
    if (answered := await find_repeat(runtime, principal, body, digest)) is not None:
        return repeat_answer(answered, headers + ids_of(answered), principal, body)
    route = await find_route(runtime, request, principal, body.model)
    limit_output({"max_tokens": body.max_tokens}, route)  # before anything is recorded
    begun = await record(runtime, principal, body, route, digest)
    turn = begun.turn if begun else None
    if turn is not None:
        headers += ids_of(turn)
    if turn is not None and turn.replay is not None:
        return repeat_answer(turn, headers, principal, body)
    prompt = turn.prompt if turn else plain_prompt(body, principal)
    return answer_turn(runtime, request, principal, body, route, begun, prompt=prompt, headers=headers)


async def regenerate_message(request: Request) -> Response:
    """POST …/messages/{id}/regenerate: another answer beside this one, or an answer to this question."""
    return await answer_again(request, regenerates=request.path_params["message_id"])


async def continue_message(request: Request) -> Response:
    """POST …/messages/{id}/continue: an answer that was cut goes on, in its own row."""
    return await answer_again(request, continues=request.path_params["message_id"])


async def answer_again(
    request: Request, *, regenerates: UUID | None = None, continues: UUID | None = None
) -> Response:
    """The stages of an answer to what is stored already. It needs a credential that may read that."""
    runtime = await get_runtime()
    principal, headers = await admit_generation(runtime, request, Scope.CHAT)
    principal.require(Scope.HISTORY)
    body = parse_answer_request(await request.body(), runtime.config)
    route = await find_route(runtime, request, principal, body.model)
    limit_output({"max_tokens": body.max_tokens}, route)
    turn = NewTurn(
        messages=(),
        conversation_id=request.path_params["conversation_id"],
        regenerates=regenerates,
        continues=continues,
        **settings_of(runtime, principal, route),
    )
    begun = await runtime.turns.begin(turn, route)
    headers += ids_of(begun.turn)
    return answer_turn(
        runtime, request, principal, body, route, begun, prompt=begun.turn.prompt, headers=headers
    )


def answer_turn(
    runtime: WebRuntime,
    request: Request,
    principal: Principal,
    body: AnswerRequest,
    route: Route,
    begun: BegunTurn | None,
    *,
    prompt: Prompt,
    headers: Headers,
) -> Response:
    """The response that generates the answer. `begun` is None for one that is not stored."""
    turn = begun.turn if begun else None
    continued = turn.continued if turn else None
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
                continues=continued is not None,
                salt=salt_of(runtime.config, principal),
                traceparent=request.headers.get("traceparent"),
            ),
        ),
        timeouts=runtime.timeouts,
        max_bytes=runtime.config.max_answer_bytes,
        model=route.model,
        finish_without_client=turn is not None and body.on_disconnect == "finish",
        continued=continued,
        request_id=current_request_id.get(),
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


async def cancel_message(request: Request) -> Response:
    """POST /api/conversations/{id}/messages/{id}/cancel: the stop button, from any replica. Idempotent."""
    runtime = await get_runtime()
    principal = await runtime.request_admission.authenticate(request, Scope.CHAT)
    message_id = request.path_params["message_id"]
    status = await runtime.cancellation.cancel(
        CancelRequest(principal.user_id, request.path_params["conversation_id"], message_id)
    )
    return JSONResponse({"id": str(message_id), "status": status}, status_code=202)


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


def ids_of(turn: Turn) -> Headers:
    return [
        (b"x-conversation-id", str(turn.conversation_id).encode()),
        (b"x-message-id", str(turn.message_id).encode()),
    ]


async def record(
    runtime: WebRuntime, principal: Principal, body: ChatRequest, route: Route, digest: str
) -> BegunTurn | None:
    """Store the user's message and the answer's row, if they fit; None when the request turns storing off."""
    if not body.store:
        return None
    messages = body.messages or []
    has_system = bool(messages) and messages[0].role == "system"
    system_prompt = messages[0].content if has_system else "" if messages else principal.default_system_prompt
    said = [NewMessage(MessageRole(m.role), m.content) for m in messages[has_system:]]
    if body.content is not None:
        said = [NewMessage(MessageRole.USER, body.content)]
    turn = NewTurn(
        conversation_id=body.conversation_id,
        parent_id=body.parent_id,
        messages=tuple(said),
        system_prompt=system_prompt,
        client_message_id=body.client_message_id,
        request_digest=digest,
        may_read=principal.has(Scope.HISTORY),
        **settings_of(runtime, principal, route),
    )
    return await runtime.turns.begin(turn, route)


def settings_of(runtime: WebRuntime, principal: Principal, route: Route) -> dict[str, Any]:
    """What every turn of this caller at this route has."""
    return {
        "owner_id": principal.user_id,
        "model": route.model,
        "request_id": current_request_id.get(),
        "lease_s": runtime.config.message_lease_s,
        "limits": TurnLimits(
            model=route.model,
            context_tokens=route.max_model_len,
            conversation_bytes=runtime.config.max_conversation_bytes,
        ),
    }


def plain_prompt(body: ChatRequest, principal: Principal) -> Prompt:
    """The prompt of a chat that is not stored."""
    if body.messages is not None:
        return [{"role": m.role, "content": m.content} for m in body.messages]
    system = principal.default_system_prompt
    prompt = [{"role": "system", "content": system}] if system else []
    return [*prompt, {"role": "user", "content": body.content or ""}]
