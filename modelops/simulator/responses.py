"""``/v1/responses``, of which nothing is kept: as vLLM's, unless it is told to store."""

from __future__ import annotations

from aiohttp import web

from modelops.simulator.answers import send_answer
from modelops.simulator.bodies import decode_body, read_bool
from modelops.simulator.chat import plan_chat
from modelops.simulator.requests import ENGINE, check_model, make_answer, make_meta
from modelops.simulator.responses_body import LIMIT_NAMES, list_repeated, response_not_found, to_chat_body
from modelops.simulator.responses_wire import ResponsesWire, ResponseWriter, new_id
from modelops.simulator.sampling import Streaming


async def create_response(request: web.Request) -> web.StreamResponse:
    """``POST /v1/responses``."""
    engine = request.app[ENGINE]
    body = decode_body(await request.read())
    check_model(body, engine.settings)
    chat_body = to_chat_body(body)
    # A choice that the engine has no parser for is no error here: the answer is text.
    if not engine.settings.auto_tool_choice and chat_body["tool_choice"] == "auto":
        chat_body["tool_choice"] = "none"
    chat = plan_chat(engine, chat_body, limit_names=LIMIT_NAMES)
    meta = make_meta(
        request,
        body,
        engine.settings,
        own_id=str(body.get("request_id") or new_id("resp")),
        prompt_tokens=chat.prompt_tokens,
    )
    writer = ResponseWriter(meta, list_repeated(body, chat_body), max_output_tokens=chat.budget)
    (choice,) = chat.choices
    answer = make_answer(
        engine,
        body,
        meta=meta,
        choices=chat.choices,
        streaming=Streaming(stream=read_bool(body, "stream"), include_usage=True, continuous_usage=False),
        wire=ResponsesWire(writer),
        whole=lambda: writer.write_whole(choice),
    )
    return await send_answer(request, engine, answer)


async def refuse_response(request: web.Request) -> web.StreamResponse:
    """``GET /v1/responses/{id}`` and its ``/cancel``: no response is ever found."""
    raise response_not_found(request.match_info["response_id"])
