"""A request in Anthropic's shape as the chat that vLLM makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from modelops.simulator.bodies import (
    Body,
    describe,
    read_int,
    read_object,
    read_objects,
    read_text,
)
from modelops.simulator.errors import malformed

_SAME_IN_CHAT = ("model", "temperature", "top_p", "vllm_xargs")
_BILLING = "x-anthropic-billing-header"
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def to_chat_body(body: Body, *, counts_only: bool = False) -> dict[str, Any]:
    """The body of the same request as a chat completion; raises ApiError 400 for what vLLM refuses.

    With `counts_only` nothing is to be generated, so that no bound on the answer is asked for.
    """
    if (model := read_text(body, "model")) is None:
        raise _missing(body, "model")
    if not model:
        raise _wrong_value("model", "Model is required", found="")
    chat: dict[str, Any] = {name: body[name] for name in _SAME_IN_CHAT if body.get(name) is not None}
    chat["messages"] = [*_convert_system(body), *_convert_messages(read_objects(body, "messages"))]
    if not counts_only:
        chat["max_completion_tokens"] = _read_max_tokens(body)
        chat["stop"] = body.get("stop_sequences")
    chat |= _convert_tools(body)
    config = read_object(body, "output_config")
    if schema := read_object(config, "format").get("schema"):
        chat["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
    chat["reasoning_effort"] = config.get("effort")
    if read_object(body, "thinking").get("type") == "disabled":
        chat["reasoning_effort"] = "none"
    return {**chat, "chat_template_kwargs": read_object(body, "chat_template_kwargs")}


def _missing(body: Body, name: str, path: str = "body") -> Exception:
    return malformed("missing", path=f"{path}.{name}", message="Field required", found=describe(body))


def _wrong_value(name: str, reason: str, *, found: str) -> Exception:
    return malformed("value_error", path=f"body.{name}", message=f"Value error, {reason}", found=found)


def _read_max_tokens(body: Body) -> int:
    most = read_int(body, "max_tokens")
    if most is None:
        raise _missing(body, "max_tokens")
    if most <= 0:
        raise _wrong_value("max_tokens", "max_tokens must be positive", found=str(most))
    return most


def _convert_system(body: Body) -> list[dict[str, Any]]:
    text = _join_system(body.get("system"))
    return [{"role": "system", "content": text}] if text else []


def _join_system(content: Any) -> str:
    """The texts without the header of a client's accounts, as vLLM leaves it out."""
    texts = [content] if isinstance(content, str) else [block.get("text") for block in _list_blocks(content)]
    return "".join(text for text in texts if isinstance(text, str) and not text.startswith(_BILLING))


def _list_blocks(content: Any) -> list[Mapping[str, Any]]:
    return [block for block in content if isinstance(block, Mapping)] if isinstance(content, list) else []


def _convert_messages(messages: Iterable[Body]) -> list[dict[str, Any]]:
    converted: list[dict[str, Any]] = []
    for number, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if role not in ("user", "assistant", "system"):
            raise malformed(
                "literal_error",
                path=f"body.messages.{number}.role",
                message="Input should be 'user', 'assistant' or 'system'",
                found=describe(role),
            )
        if content is None:
            raise _missing(message, "content", f"body.messages.{number}")
        if role == "system":
            converted += _convert_system({"system": content})
        elif isinstance(content, str):
            converted.append({"role": role, "content": content})
        else:
            converted += _convert_blocks(str(role), _list_blocks(content))
    return converted


def _convert_blocks(role: str, blocks: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Results of tools as messages of their own, before the message that the other blocks become."""
    results: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for block in blocks:
        match block.get("type"):
            case "text":
                parts.append({"type": "text", "text": block.get("text") or ""})
            case "image":
                parts.append(_convert_image(block))
            case "tool_use":
                arguments = json.dumps(block.get("input") or {})
                function = {"name": block.get("name"), "arguments": arguments}
                calls.append({"id": block.get("id"), "type": "function", "function": function})
            case "tool_result":
                results += _convert_result(block)
    message: dict[str, Any] = {"role": role}
    if calls:
        message["tool_calls"] = calls
    if parts:
        is_one_text = len(parts) == 1 and parts[0]["type"] == "text"
        message["content"] = parts[0]["text"] if is_one_text else parts
    return results if role == "user" and not parts else [*results, message]


def _convert_image(block: Mapping[str, Any]) -> dict[str, Any]:
    source = read_object(block, "source")
    url = source.get("url")
    if source.get("type") != "url":
        url = f"data:{source.get('media_type', 'image/jpeg')};base64,{source.get('data', '')}"
    return {"type": "image_url", "image_url": {"url": url}}


def _convert_result(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = block.get("content")
    blocks = _list_blocks(content)
    text = (
        content
        if isinstance(content, str)
        else "\n".join(str(each.get("text", "")) for each in blocks if each.get("type") == "text")
    )
    images = [_convert_image(each) for each in blocks if each.get("type") == "image"]
    result = {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": text}
    return [result, {"role": "user", "content": images}] if images else [result]


def _convert_tools(body: Body) -> dict[str, Any]:
    tools = read_objects(body, "tools") if body.get("tools") else []
    for number, tool in enumerate(tools):
        for name in ("name", "input_schema"):
            if tool.get(name) is None:
                raise _missing(tool, name, f"body.tools.{number}")
    choice = read_object(body, "tool_choice")
    kind = str(choice.get("type"))
    converted: dict[str, Any] = {}
    if tools:
        converted["tools"] = [_convert_tool(tool) for tool in tools]
    if kind == "tool":
        converted["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    elif kind in _CHOICES:
        converted["tool_choice"] = _CHOICES[kind]
    if choice:
        converted["parallel_tool_calls"] = not choice.get("disable_parallel_tool_use")
    return converted


def _convert_tool(tool: Body) -> dict[str, Any]:
    function = {"name": tool["name"], "description": tool.get("description")}
    return {"type": "function", "function": {**function, "parameters": tool["input_schema"]}}
