"""``POST /v1/chat/completions``, and what a chat is answered with, whatever the shape of the request."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from modelops.simulator import tokenizer
from modelops.simulator.answers import send_answer
from modelops.simulator.bodies import (
    Body,
    decode_body,
    describe,
    read_generation_prompt,
    read_object,
    read_objects,
)
from modelops.simulator.engine import SimulatedEngine
from modelops.simulator.errors import ApiError, malformed
from modelops.simulator.generation import GeneratedChoice, generate_json, generate_tool_calls, token_budget
from modelops.simulator.images import read_images
from modelops.simulator.replies import Received, compose_reasoning
from modelops.simulator.requests import ENGINE, TextSource, check_model, make_answer, make_meta, text_choices
from modelops.simulator.sampling import LIMIT_NAMES, parse_sampling, parse_streaming
from modelops.simulator.structured import compose_structured
from modelops.simulator.tools import find_user_text, list_tool_results, plan_tool_calls
from modelops.simulator.wire import ChatWire, chat_completion


@dataclass(frozen=True, slots=True)
class PlannedChat:
    """The answers to a chat, known before they are sent."""

    prompt_tokens: int
    budget: int
    """The most tokens of one answer."""
    choices: list[GeneratedChoice]


async def create_chat_completion(request: web.Request) -> web.StreamResponse:
    """``POST /v1/chat/completions``."""
    engine = request.app[ENGINE]
    settings = engine.settings
    body = decode_body(await request.read())
    streaming = parse_streaming(body, force_usage=settings.force_include_usage)
    chat = plan_chat(engine, body)
    meta = make_meta(request, body, settings, prefix="chatcmpl", prompt_tokens=chat.prompt_tokens)
    answer = make_answer(
        engine,
        body,
        meta=meta,
        choices=chat.choices,
        streaming=streaming,
        wire=ChatWire(meta, streaming),
        whole=lambda: chat_completion(meta, chat.choices),
    )
    return await send_answer(request, engine, answer)


def plan_chat(
    engine: SimulatedEngine, body: Body, *, limit_names: tuple[str, ...] = LIMIT_NAMES
) -> PlannedChat:
    """What answers the body of a chat completion; raises ApiError for what vLLM refuses."""
    settings = engine.settings
    messages = read_messages(body)
    images = read_images(messages, settings)
    tools = plan_tool_calls(body, messages, has_parser=settings.auto_tool_choice)
    check_model(body, settings)
    sampling = parse_sampling(
        body, max_model_len=settings.max_model_len, default_max_tokens=None, limit_names=limit_names
    )
    adds, continues = read_generation_prompt(body)
    prompt = tokenizer.render_chat(messages, add_generation_prompt=adds, continue_final_message=continues)
    prompt_tokens = tokenizer.count(prompt)
    budget = token_budget(
        prompt_tokens=prompt_tokens, max_model_len=settings.max_model_len, max_tokens=sampling.max_tokens
    )
    structured = compose_structured(body)
    with_reasoning = _wants_reasoning(body, engine)
    user_text = find_user_text(messages)
    if tools.calls:
        reasoning = compose_reasoning(user_text) if with_reasoning and tools.is_auto else ""
        choices = [
            generate_tool_calls(tools, index=i, budget=budget, reasoning=reasoning) for i in range(sampling.n)
        ]
    elif structured is not None:
        choices = [
            generate_json(structured, index=i, sampling=sampling, budget=budget) for i in range(sampling.n)
        ]
    else:
        source = TextSource(
            # Continued as the answer began, so that it ends as if it had never been cut.
            prompt=tokenizer.render_chat(messages[:-1]) if continues else prompt,
            user_text=user_text,
            with_reasoning=with_reasoning and not continues,
            said=tokenizer.message_text(messages[-1]) if continues else "",
            received=Received(tuple(map(str, images)), tuple(list_tool_results(messages))),
        )
        choices = text_choices(engine, source, sampling=sampling, budget=budget)
    return PlannedChat(prompt_tokens, budget, choices)


def read_messages(body: Body) -> list[Body]:
    """The messages of a chat, whose contents are texts or lists of parts."""
    messages = read_objects(body, "messages")
    if not messages:
        raise ApiError("Cannot apply chat template to an empty conversation. Provide at least one message.")
    for number, message in enumerate(messages):
        if not isinstance(message.get("role"), str):
            path = f"body.messages.{number}.role"
            raise malformed("missing", path=path, message="Field required", found=describe(message))
        _check_content(message.get("content"), path=f"body.messages.{number}.content")
    return messages


def _check_content(content: object, *, path: str) -> None:
    if content is not None and not isinstance(content, str | list):
        message = "Input should be a valid string"
        raise malformed("string_type", path=path, message=message, found=describe(content))
    for number, part in enumerate(content if isinstance(content, list) else ()):
        if not isinstance(part, str | dict):
            message = "Input should be a valid dictionary"
            raise malformed("dict_type", path=f"{path}.{number}", message=message, found=describe(part))


def _wants_reasoning(body: Body, engine: SimulatedEngine) -> bool:
    thinking = read_object(body, "chat_template_kwargs").get("enable_thinking")
    if thinking is None:
        thinking = body.get("reasoning_effort") != "none"
    return (
        engine.settings.reasoning_parser is not None
        and thinking is not False
        and body.get("include_reasoning") is not False
    )
