"""``POST /v1/chat/completions/batch``: several conversations in one request, one answer for each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from modelops.simulator.answers import send_answer
from modelops.simulator.bodies import Body, decode_body, describe
from modelops.simulator.chat import plan_chat
from modelops.simulator.errors import invalid_value, malformed
from modelops.simulator.requests import ENGINE, make_answer, make_meta
from modelops.simulator.sampling import Streaming
from modelops.simulator.wire import ChatWire, chat_completion

_NOT_STREAMED = Streaming(stream=False, include_usage=False, continuous_usage=False)


async def create_chat_batch(request: web.Request) -> web.StreamResponse:
    """Answers in text alone, not streamed; tools and ``stream`` are passed over, as vLLM does."""
    engine = request.app[ENGINE]
    body = decode_body(await request.read())
    conversations = _read_conversations(body)
    _check_supported(body)
    plain = {name: value for name, value in body.items() if name not in ("tools", "tool_choice")}
    chats = [plan_chat(engine, {**plain, "messages": messages}) for messages in conversations]
    choices = [replace(choice, index=number) for number, chat in enumerate(chats) for choice in chat.choices]
    meta = make_meta(
        request,
        body,
        engine.settings,
        prefix="chatcmpl",
        prompt_tokens=sum(chat.prompt_tokens for chat in chats),
    )
    answer = make_answer(
        engine,
        body,
        meta=meta,
        choices=choices,
        streaming=_NOT_STREAMED,
        wire=ChatWire(meta, _NOT_STREAMED),
        whole=lambda: chat_completion(meta, choices),
    )
    return await send_answer(request, engine, answer)


def _read_conversations(body: Body) -> list[list[Body]]:
    conversations = _read_list(body.get("messages"), "body.messages")
    return [_read_list(each, f"body.messages.{i}") for i, each in enumerate(conversations)]


def _read_list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        message = "Input should be a valid list"
        raise malformed("list_type", path=path, message=message, found=describe(value))
    if not value:
        message = "List should have at least 1 item after validation, not 0"
        raise malformed("too_short", path=path, message=message, found=describe(value))
    return value


def _check_supported(body: Body) -> None:
    if body.get("use_beam_search"):
        raise invalid_value(
            "Batch chat completions do not support beam search. Please set `use_beam_search` to False.",
            param="use_beam_search",
        )
    if (n := body.get("n", 1)) not in (None, 1):
        raise invalid_value(
            "Batch chat completions do not support `n > 1`. Please set `n` to 1.", param="n", value=n
        )
