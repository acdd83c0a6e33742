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
from chat.schemas import ChatRequest, parse_chat_request
from chat.stages import RoutedRequest, admit_generation, find_route, limits_of, settings_of
from chat.turn_recording import BegunTurn
from chat.web_runtime import WebRuntime, get_runtime
from conversations.branches import Prompt
from conversations.models import MessageRole
from conversations.new_turns import NewMessage, NewTurn, Turn
from conversations.prompt_sources import PromptSource
from conversations.repeats import RepeatKey


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
    asked = RoutedRequest(runtime, request, principal, headers, body, route)
    begun = await record(asked, body, digest)
    if begun is not None:
        if begun.turn.replay is not None:
            return repeat_answer(begun.turn, headers + ids_of(begun.turn), principal, body)
        return answer_turn(asked, begun)
    prompt, omitted = plain_prompt(body, principal), 0
    if body.truncation == "oldest":
        prompt, omitted = await runtime.turns.shorten(PromptSource.of(prompt), limits_of(asked), route)
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


async def record(asked: RoutedRequest, body: ChatRequest, digest: str) -> BegunTurn | None:
    """Store the user's message and the answer's row, if they fit; None when the request turns storing off."""
    if not body.store:
        return None
    principal = asked.principal
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
        **settings_of(asked),
    )
    return await asked.runtime.turns.begin(turn, asked.route)


def plain_prompt(body: ChatRequest, principal: Principal) -> Prompt:
    """The prompt of a chat that is not stored."""
    if body.messages is not None:
        return [{"role": m.role, "content": m.content} for m in body.messages]
    system = principal.default_system_prompt
    prompt = [{"role": "system", "content": system}] if system else []
    return [*prompt, {"role": "user", "content": body.content or ""}]
