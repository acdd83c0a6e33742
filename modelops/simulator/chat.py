"""``POST /v1/chat/completions``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
from modelops.simulator.errors import ApiError, invalid_value, malformed
from modelops.simulator.flags import ServeSettings
from modelops.simulator.generation import GeneratedChoice, generate_json, generate_tool_call, token_budget
from modelops.simulator.replies import compose_json
from modelops.simulator.requests import ENGINE, TextSource, check_model, make_answer, make_meta, text_choices
from modelops.simulator.sampling import Sampling, parse_sampling, parse_streaming
from modelops.simulator.wire import ChatWire, chat_completion


async def create_chat_completion(request: web.Request) -> web.StreamResponse:
    """``POST /v1/chat/completions``."""
    engine = request.app[ENGINE]
    settings = engine.settings
    body = decode_body(await request.read())
    streaming = parse_streaming(body, force_usage=settings.force_include_usage)
    messages = _read_messages(body, settings)
    tool = _chosen_tool(body, settings)
    check_model(body, settings)
    sampling = parse_sampling(body, max_model_len=settings.max_model_len, default_max_tokens=None)
    adds, continues = read_generation_prompt(body)
    prompt = tokenizer.render_chat(messages, add_generation_prompt=adds, continue_final_message=continues)
    meta = make_meta(request, body, settings, prefix="chatcmpl", prompt_tokens=tokenizer.count(prompt))
    choices = _chat_choices(
        engine, body, messages, tool=tool, prompt=prompt, sampling=sampling, continues=continues
    )
    answer = make_answer(
        engine,
        body,
        meta=meta,
        choices=choices,
        streaming=streaming,
        wire=ChatWire,
        whole=lambda: chat_completion(meta, choices),
    )
    return await send_answer(request, engine, answer)


def _read_messages(body: Body, settings: ServeSettings) -> list[Body]:
    messages = read_objects(body, "messages")
    if not messages:
        raise ApiError("Cannot apply chat template to an empty conversation. Provide at least one message.")
    for number, message in enumerate(messages):
        if not isinstance(message.get("role"), str):
            path = f"body.messages.{number}.role"
            raise malformed("missing", path=path, message="Field required", found=describe(message))
        _check_content(message.get("content"), number=number, settings=settings)
    return messages


def _check_content(content: object, *, number: int, settings: ServeSettings) -> None:
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise malformed(
            "string_type",
            path=f"body.messages.{number}.content",
            message="Input should be a valid string",
            found=describe(content),
        )
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "image_url" and settings.sees_images:
            _check_image(part.get("image_url"))
        elif kind not in ("text", "refusal", None):
            raise ApiError(f"{settings.canonical_name} is not a multimodal model")


def _check_image(image_url: object) -> None:
    url = image_url.get("url") if isinstance(image_url, dict) else None
    if not isinstance(url, str) or not url.startswith("data:image/"):
        raise ApiError("Failed to load image: the simulated engine fetches no URL.")


def _chosen_tool(body: Body, settings: ServeSettings) -> Mapping[str, Any] | None:
    """The tool that must be called; ``auto`` never calls one but needs the engine's flags."""
    tools = read_objects(body, "tools") if body.get("tools") is not None else None
    choice = body.get("tool_choice", "auto" if tools else "none")
    if tools == []:
        raise invalid_value(
            "`tools` must not be an empty array. Either provide at least one tool or omit the field "
            "entirely.",
            param="tools",
        )
    if choice in ("none", None):
        return None
    if not tools:
        raise invalid_value("When using `tool_choice`, `tools` must be set.", param="tool_choice")
    if choice == "auto":
        if not settings.auto_tool_choice:
            raise ApiError(
                '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
            )
        return None
    functions = [read_object(tool, "function") for tool in tools]
    if choice == "required":
        return functions[0]
    wanted = read_object(choice, "function").get("name") if isinstance(choice, dict) else None
    named = next((function for function in functions if function.get("name") == wanted), None)
    if named is None:
        raise invalid_value(
            "The tool specified in `tool_choice` does not match any of the specified `tools`",
            param="tool_choice",
        )
    return named


def _chat_choices(
    engine: SimulatedEngine,
    body: Body,
    messages: Sequence[Body],
    *,
    tool: Mapping[str, Any] | None,
    prompt: str,
    sampling: Sampling,
    continues: bool,
) -> list[GeneratedChoice]:
    budget = token_budget(
        prompt_tokens=tokenizer.count(prompt),
        max_model_len=engine.settings.max_model_len,
        max_tokens=sampling.max_tokens,
    )
    if tool is not None:
        arguments = compose_json(read_object(tool, "parameters") or {"type": "object"})
        named = isinstance(body.get("tool_choice"), dict)
        name = str(tool.get("name"))
        return [
            generate_tool_call(name=name, arguments=arguments, index=i, budget=budget, named=named)
            for i in range(sampling.n)
        ]
    structured = _structured_text(body)
    if structured is not None:
        return [
            generate_json(structured, index=i, sampling=sampling, budget=budget) for i in range(sampling.n)
        ]
    user_text = next((tokenizer.message_text(m) for m in reversed(messages) if m["role"] == "user"), "")
    if continues:
        # As the answer began, so that it ends as if it had never been cut.
        beginning = tokenizer.render_chat(messages[:-1])
        source = TextSource(
            prompt=beginning,
            user_text=user_text,
            with_reasoning=False,
            said=tokenizer.message_text(messages[-1]),
        )
    else:
        source = TextSource(prompt=prompt, user_text=user_text, with_reasoning=_wants_reasoning(body, engine))
    return text_choices(engine, source, sampling=sampling, budget=budget)


def _structured_text(body: Body) -> str | None:
    response_format = read_object(body, "response_format")
    if response_format.get("type") == "json_schema":
        return compose_json(read_object(read_object(response_format, "json_schema"), "schema"))
    return compose_json(None) if response_format.get("type") == "json_object" else None


def _wants_reasoning(body: Body, engine: SimulatedEngine) -> bool:
    thinking = read_object(body, "chat_template_kwargs").get("enable_thinking", True)
    return (
        engine.settings.reasoning_parser is not None
        and thinking is not False
        and body.get("include_reasoning") is not False
    )
