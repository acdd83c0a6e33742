"""The response that generates an answer, and the headers that say where it is stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from starlette.responses import Response

from chat.client import Headers
from chat.generation import Generation
from chat.positions import EventIds, tag_of
from chat.rendering import introduce_ids, render_answer
from chat.responses import CollectedAnswer, StreamedAnswer
from chat.routing import call_for_chat
from chat.schemas import ChatRequest
from chat.slot_queues import RouteRequest
from chat.stages import RoutedRequest, call_if_allowed, salt_of
from chat.turn_recording import BegunTurn
from conversations.branches import Prompt
from conversations.known_messages import KnownMessage
from conversations.new_turns import Turn
from gateway.http import header_value
from gateway.request_id import current_request_id


def answer_turn(asked: RoutedRequest, begun: BegunTurn) -> Response:
    """The response that generates the answer of a stored turn."""
    turn = begun.turn
    generation = make_generation(
        asked,
        turn.prompt,
        continued=turn.continued,
        finish_without_client=asked.body.on_disconnect == "finish",
        conversation_id=turn.conversation_id,
    )
    return _answer(
        asked,
        generation,
        headers=asked.headers + ids_of(turn),
        turn=turn,
        omitted_messages=turn.omitted_messages,
        recorder=asked.runtime.recorder,
        message_id=turn.message_id,
        storing=begun.storing,
        on_complete=offer_title(asked, turn),
    )


def offer_title(asked: RoutedRequest, turn: Turn) -> Callable[[Generation], None] | None:
    """What gives the conversation a title once the turn is complete; None where it is not the first one."""
    is_new = isinstance(asked.body, ChatRequest) and asked.body.conversation_id is None
    if not is_new and len(turn.prompt) > 2:  # more than a system prompt and the message
        return None
    return asked.runtime.titles.after(turn, asked.principal, is_new=is_new)


def answer_unstored(asked: RoutedRequest, prompt: Prompt, omitted_messages: int) -> Response:
    """The response that generates an answer of which nothing is kept."""
    return _answer(
        asked,
        make_generation(asked, prompt),
        headers=asked.headers + note_omitted(omitted_messages),
        omitted_messages=omitted_messages,
    )


def make_generation(
    asked: RoutedRequest,
    prompt: Prompt,
    *,
    continued: KnownMessage | None = None,
    finish_without_client: bool = False,
    conversation_id: UUID | None = None,
) -> Generation:
    runtime, body = asked.runtime, asked.body
    return Generation(
        admission=runtime.engine_admission,
        request=RouteRequest(
            body.model, is_stream=body.stream, affinity=conversation_id or {"messages": prompt}
        ),
        engine=runtime.engine,
        make_call=partial(
            call_if_allowed,
            principal=asked.principal,
            board=runtime.board,
            make_call=partial(
                call_for_chat,
                request=body,
                prompt=prompt,
                continues=continued is not None,
                salt=salt_of(runtime.config, asked.principal),
                traceparent=header_value(asked.request.scope, b"traceparent"),
            ),
        ),
        timeouts=runtime.timeouts,
        max_bytes=runtime.config.max_answer_bytes,
        model=asked.route.model,
        finish_without_client=finish_without_client,
        continued=continued,
        request_id=current_request_id.get(),
    )


def _answer(
    asked: RoutedRequest,
    generation: Generation,
    *,
    turn: Turn | None = None,
    omitted_messages: int,
    **settings: Any,
) -> Response:
    """The response, streamed or collected. `settings` are those of `chat.responses.Answer`."""
    settings["registry"] = asked.runtime.registry
    if asked.body.stream:
        if turn is not None:
            tag = tag_of(turn.message_id, generation.request_id)
            settings["introduce"] = partial(introduce_ids, turn)
            settings["ids"] = EventIds(tag, generation.transcript)
        return StreamedAnswer(generation, **settings)
    return CollectedAnswer(generation, render=partial(render_answer, turn, omitted_messages), **settings)


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
