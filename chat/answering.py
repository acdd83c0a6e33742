"""The response that generates an answer, and the headers that say where it is stored."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from accounts.principals import Principal
from chat.client import Headers
from chat.engine_admission import RouteRequest
from chat.generation import Generation
from chat.rendering import introduce_ids, render_answer
from chat.responses import CollectedAnswer, StreamedAnswer
from chat.routing import call_for_chat
from chat.schemas import AnswerRequest
from chat.stages import call_if_allowed, salt_of
from chat.turn_recording import BegunTurn
from chat.web_runtime import WebRuntime
from conversations.branches import Prompt
from conversations.known_messages import KnownMessage
from conversations.new_turns import Turn
from gateway.request_id import current_request_id
from modelops.serving.routes import Route


def answer_turn(
    runtime: WebRuntime,
    request: Request,
    principal: Principal,
    body: AnswerRequest,
    route: Route,
    headers: Headers,
    begun: BegunTurn,
) -> Response:
    """The response that generates the answer of a stored turn."""
    turn = begun.turn
    generation = make_generation(
        *(runtime, request, principal, body, route, turn.prompt),
        continued=turn.continued,
        finish_without_client=body.on_disconnect == "finish",
    )
    return answer_with(
        *(runtime, body, generation, headers + ids_of(turn)),
        turn=turn,
        omitted_messages=turn.omitted_messages,
        recorder=runtime.recorder,
        message_id=turn.message_id,
        storing=begun.storing,
    )


def make_generation(
    runtime: WebRuntime,
    request: Request,
    principal: Principal,
    body: AnswerRequest,
    route: Route,
    prompt: Prompt,
    *,
    continued: KnownMessage | None = None,
    finish_without_client: bool = False,
) -> Generation:
    return Generation(
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
        finish_without_client=finish_without_client,
        continued=continued,
        request_id=current_request_id.get(),
    )


def answer_with(
    runtime: WebRuntime,
    body: AnswerRequest,
    generation: Generation,
    headers: Headers,
    *,
    turn: Turn | None = None,
    omitted_messages: int = 0,
    **storing: Any,
) -> Response:
    """The response, streamed or collected. `storing` is where the answer is stored."""
    common: dict[str, Any] = {"headers": headers, "registry": runtime.registry, **storing}
    if body.stream:
        return StreamedAnswer(generation, introduce=partial(introduce_ids, turn) if turn else None, **common)
    return CollectedAnswer(generation, render=partial(render_answer, turn, omitted_messages), **common)


def ids_of(turn: Turn) -> Headers:
    """Where the turn is stored, and how much its prompt left out."""
    omitted = turn.replay.omitted_messages if turn.replay else turn.omitted_messages
    return [
        (b"x-conversation-id", str(turn.conversation_id).encode()),
        (b"x-message-id", str(turn.message_id).encode()),
        *note_omitted(omitted),
    ]


def note_omitted(messages: int) -> Headers:
    return [(b"x-omitted-messages", str(messages).encode())] if messages else []
