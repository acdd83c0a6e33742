"""The endpoints about an answer that is stored: another one, more of it, no more of it."""

from __future__ import annotations

from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from accounts.scopes import Scope
from chat.answering import answer_turn
from chat.routing import limit_output
from chat.schemas import parse_answer_request
from chat.stages import RoutedRequest, admit_generation, find_route, settings_of
from chat.web_runtime import get_runtime
from conversations.new_turns import NewTurn
from conversations.replies import CancelRequest
from gateway.http import read_whole_body


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
    body = parse_answer_request(await read_whole_body(request.receive), runtime.config)
    route = await find_route(runtime, request, principal, body.model)
    limit_output({"max_tokens": body.max_tokens}, route)
    asked = RoutedRequest(runtime, request, principal, headers, body, route)
    turn = NewTurn(
        messages=(),
        conversation_id=request.path_params["conversation_id"],
        regenerates=regenerates,
        continues=continues,
        **settings_of(asked),
    )
    begun = await runtime.turns.begin(turn, route)
    return answer_turn(asked, begun)


async def cancel_message(request: Request) -> Response:
    """POST /api/conversations/{id}/messages/{id}/cancel: the stop button, from any replica. Idempotent."""
    runtime = await get_runtime()
    principal = await runtime.request_admission.authenticate(request, Scope.CHAT)
    message_id = request.path_params["message_id"]
    status = await runtime.cancellation.cancel(
        CancelRequest(principal.user_id, request.path_params["conversation_id"], message_id)
    )
    return JSONResponse({"id": str(message_id), "status": status}, status_code=202)
