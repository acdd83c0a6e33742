"""The endpoints of stored chats, each a pipeline of stages. Errors are raised, never caught here."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from accounts.principals import Principal
from accounts.scopes import Scope
from chat.answering import answer_turn, answer_unstored, ids_of
from chat.client import Headers
from chat.rendering import replay_answer
from chat.request_digest import digest_request
from chat.routing import limit_output
from chat.said import read_said
from chat.schemas import ChatRequest, parse_chat_request
from chat.stages import RoutedRequest, admit_generation, find_route, settings_of
from chat.web_runtime import WebRuntime, get_runtime
from conversations.new_turns import NewTurn, Turn
from conversations.repeats import RepeatKey
from gateway.http import read_whole_body


async def chat(request: Request) -> Response:
    """POST /api/chat and …/messages of a conversation: authenticate, admit, parse, route, record, answer."""
    runtime = await get_runtime()
    principal, headers = await admit_generation(runtime, request, Scope.CHAT)
    body = parse_chat_request(
        await read_whole_body(request.receive),
        runtime.config,
        conversation_id=request.path_params.get("conversation_id"),
    )
    if body.conversation_id is not None:
        principal.require(Scope.HISTORY)  # its answers may repeat what the conversation holds
    digest = digest_request(body) if body.client_message_id else ""
    if (answered := await find_repeat(runtime, principal, body, digest)) is not None:
        return repeat_answer(answered, headers + ids_of(answered), principal, body)
    route = await find_route(runtime, request, principal, body.model)
    limit_output({"max_tokens": body.max_tokens}, route)  # before anything is recorded
    asked = RoutedRequest(runtime, request, principal, headers, body, route)
    turn = await read_turn(asked, body, digest)
    if body.store:
        begun = await runtime.turns.begin(turn, route)
        if begun.turn.replay is not None:
            return repeat_answer(begun.turn, headers + ids_of(begun.turn), principal, body)
        return answer_turn(asked, begun)
    prompt, omitted = await runtime.turns.make_prompt(turn, route)
    return answer_unstored(asked, prompt, omitted)


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


async def read_turn(asked: RoutedRequest, body: ChatRequest, digest: str) -> NewTurn:
    """The turn that is asked for, the files of its messages attached. Raises as `read_said` and `attach`."""
    system_prompt, given = read_said(body, asked.principal)
    return NewTurn(
        conversation_id=body.conversation_id,
        parent_id=body.parent_id,
        messages=await asked.runtime.turns.attach(given),
        system_prompt=system_prompt,
        client_message_id=body.client_message_id,
        request_digest=digest,
        may_read=asked.principal.has(Scope.HISTORY),
        **settings_of(asked),
    )
