"""``/v1/messages`` and ``/v1/messages/count_tokens``, for clients of Anthropic's API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from modelops.simulator import tokenizer
from modelops.simulator.answers import send_answer
from modelops.simulator.bodies import decode_body, read_bool
from modelops.simulator.chat import plan_chat, read_messages
from modelops.simulator.errors import ApiError
from modelops.simulator.images import read_images
from modelops.simulator.messages_body import to_chat_body
from modelops.simulator.messages_wire import MessagesWire, write_error, write_message
from modelops.simulator.requests import ENGINE, check_model, make_answer, make_meta
from modelops.simulator.sampling import Streaming

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _refuse_in_shape(handler: _Handler) -> _Handler:
    """Refusals in Anthropic's shape, but those of the web framework, which come before vLLM's own."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ApiError as exc:
            if exc.is_malformed:
                raise
            return web.Response(body=write_error(exc), status=exc.status, content_type="application/json")

    return handle


@_refuse_in_shape
async def create_message(request: web.Request) -> web.StreamResponse:
    """``POST /v1/messages``."""
    engine = request.app[ENGINE]
    body = decode_body(await request.read())
    chat = plan_chat(engine, to_chat_body(body))
    meta = make_meta(request, body, engine.settings, prefix="chatcmpl", prompt_tokens=chat.prompt_tokens)
    (choice,) = chat.choices
    answer = make_answer(
        engine,
        body,
        meta=meta,
        choices=chat.choices,
        streaming=Streaming(stream=read_bool(body, "stream"), include_usage=True, continuous_usage=True),
        wire=MessagesWire(meta),
        whole=lambda: write_message(meta, choice),
    )
    return await send_answer(request, engine, answer)


@_refuse_in_shape
async def count_tokens(request: web.Request) -> web.StreamResponse:
    """``POST /v1/messages/count_tokens``."""
    settings = request.app[ENGINE].settings
    chat = to_chat_body(decode_body(await request.read()), counts_only=True)
    messages = read_messages(chat)
    read_images(messages, settings)
    check_model(chat, settings)
    count = tokenizer.count(tokenizer.render_chat(messages))
    counted = {"input_tokens": count, "context_management": {"original_input_tokens": count}}
    return web.Response(body=msgspec.json.encode(counted), content_type="application/json")
