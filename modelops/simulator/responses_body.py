"""A request for ``/v1/responses`` as the chat that vLLM makes of it, and what the answer repeats of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelops.simulator.bodies import (
    Body,
    describe,
    read_bool,
    read_float,
    read_object,
    read_objects,
    read_text,
)
from modelops.simulator.errors import ApiError, invalid_value, malformed

_SAME_IN_CHAT = (
    *("model", "temperature", "top_p", "seed", "stop", "ignore_eos", "include_stop_str_in_output"),
    *("vllm_xargs", "include_reasoning", "structured_outputs", "parallel_tool_calls", "max_output_tokens"),
)
LIMIT_NAMES = ("max_output_tokens",)


def to_chat_body(body: Body) -> dict[str, Any]:
    """The body of the same request as a chat completion; raises ApiError 400 for what vLLM refuses."""
    _check_unsupported(body)
    tools = _convert_tools(body)
    chat: dict[str, Any] = {name: body[name] for name in _SAME_IN_CHAT if body.get(name) is not None}
    chat["messages"] = _convert_input(body)
    chat["tool_choice"] = _convert_tool_choice(body, tools)
    if tools:
        chat["tools"] = tools
    if (form := read_object(read_object(body, "text"), "format")) and form.get("type") != "text":
        if body.get("structured_outputs") is not None:
            raise invalid_value(
                "Cannot specify both structured_outputs and text.format", param="structured_outputs"
            )
        chat["response_format"] = {"type": form.get("type"), "json_schema": {"schema": form.get("schema")}}
    template = dict(read_object(body, "chat_template_kwargs"))
    if (effort := read_object(body, "reasoning").get("effort")) is not None:
        template.setdefault("enable_thinking", effort != "none")
    return {**chat, "chat_template_kwargs": template}


def _check_unsupported(body: Body) -> None:
    if body.get("prompt") is not None:
        raise invalid_value("prompt template is not supported", param="prompt")
    if read_bool(body, "background"):
        if body.get("store", True) is False:
            raise invalid_value("background can only be used when `store` is true", param="background")
        raise ApiError(
            "This vLLM engine does not support `store=True` and therefore does not support the background "
            "mode. To enable these features, set the environment variable "
            "`VLLM_ENABLE_RESPONSES_API_STORE=1` when launching the vLLM server.",
            kind="invalid_request_error",
            param="background",
        )
    if (previous := read_text(body, "previous_response_id")) is not None:
        raise response_not_found(previous)
    include = body.get("include") or []
    if not isinstance(include, list):
        message = "Input should be a valid list"
        raise malformed("list_type", path="body.include", message=message, found=describe(include))
    if "message.output_text.logprobs" in include:
        raise invalid_value("logprobs are not available in the simulated engine.", param="include")


def response_not_found(response_id: str) -> ApiError:
    """404 for an answer that is not kept: none is, as with vLLM unless it was told otherwise."""
    return ApiError(
        f"Response with id '{response_id}' not found.",
        status=404,
        kind="invalid_request_error",
        param="response_id",
    )


def _convert_tools(body: Body) -> list[dict[str, Any]]:
    """Functions as a chat declares them; tools of other types are the server's and are not simulated."""
    tools = read_objects(body, "tools") if body.get("tools") is not None else []
    return [
        {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}
        for tool in tools
        if tool.get("type") == "function"
    ]


def _convert_tool_choice(body: Body, tools: list[dict[str, Any]]) -> Any:
    choice = body.get("tool_choice", "auto")
    is_named = isinstance(choice, dict) and choice.get("type") == "function"
    if not body.get("tools") and choice == "required":
        raise invalid_value(
            "Tool choice 'required' must be specified with 'tools' parameter.", param="tool_choice"
        )
    if is_named and choice.get("name") not in [tool["function"].get("name") for tool in tools]:
        raise invalid_value("Tool choice 'function' not found in 'tools' parameter.", param="tool_choice")
    if not tools or choice in (None, "none"):
        return "none"
    return {"type": "function", "function": {"name": choice["name"]}} if is_named else choice


def _convert_input(body: Body) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if instructions := read_text(body, "instructions"):
        messages.append({"role": "system", "content": instructions})
    given = body.get("input")
    if given is None:
        raise malformed("missing", path="body.input", message="Field required", found=describe(body))
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    for item in read_objects(body, "input"):
        _add_item(messages, item)
    return messages


def _add_item(messages: list[dict[str, Any]], item: Body) -> None:
    """Add one item; what the assistant said and called in a row becomes one message."""
    match item.get("type", "message"):
        case "message" if isinstance(item.get("role"), str):
            content = _convert_content(item.get("content"))
            if item["role"] != "assistant" or not _complete_assistant(messages, "content", content):
                messages.append({"role": item["role"], "content": content})
        case "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            call = {"id": item.get("call_id"), "type": "function", "function": function}
            if messages and messages[-1]["role"] == "assistant":
                messages[-1].setdefault("tool_calls", []).append(call)
            else:
                messages.append({"role": "assistant", "tool_calls": [call]})
        case "function_call_output":
            content = _convert_content(item.get("output"))
            messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": content})
        case "reasoning":
            if not _complete_assistant(messages, "reasoning", ""):
                messages.append({"role": "assistant", "reasoning": ""})
        case kind:
            raise invalid_value(f"Unsupported input item type: {kind}", param="input")


def _complete_assistant(messages: list[dict[str, Any]], field: str, value: Any) -> bool:
    """Give the assistant's last message a field that it lacks; false where there is none to complete."""
    if not messages or messages[-1]["role"] != "assistant" or messages[-1].get(field) is not None:
        return False
    messages[-1][field] = value
    return True


def _convert_content(content: Any) -> Any:
    """Parts under the names of a chat's; texts of the assistant and of tools as one text."""
    if not isinstance(content, list):
        return content
    return [_convert_part(part) if isinstance(part, Mapping) else part for part in content]


def _convert_part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part.get("type") == "input_image":
        return {"type": "image_url", "image_url": {"url": part.get("image_url")}}
    if part.get("type") in ("input_text", "output_text"):
        return {"type": "text", "text": part.get("text")}
    return dict(part)


def list_repeated(body: Body, chat: Body) -> dict[str, Any]:
    """What a response repeats of its request, with the defaults that vLLM writes out."""
    parallel = body.get("parallel_tool_calls")
    temperature, top_p = body.get("temperature"), body.get("top_p")
    return {
        "instructions": body.get("instructions"),
        "metadata": body.get("metadata"),
        "parallel_tool_calls": True if parallel is None else parallel,
        "temperature": 1.0 if temperature is None else float(temperature),
        "tool_choice": body.get("tool_choice", "auto") if chat.get("tools") else "none",
        "tools": [_write_tool(tool) for tool in body.get("tools") or ()],
        "top_p": 1.0 if top_p is None else float(top_p),
        "background": False,
        "max_tool_calls": body.get("max_tool_calls"),
        "reasoning": _write_nulls(body.get("reasoning"), "context effort generate_summary mode summary"),
        "service_tier": body.get("service_tier") or "auto",
        "text": _write_text(body.get("text")),
        "truncation": body.get("truncation") or "disabled",
        "user": body.get("user"),
        "presence_penalty": read_float(body, "presence_penalty") or 0.0,
        "frequency_penalty": read_float(body, "frequency_penalty") or 0.0,
    }


def _write_nulls(value: Any, names: str) -> dict[str, Any] | None:
    """An object with all of its fields in their order, null where they were not given."""
    return {name: value.get(name) for name in names.split(" ")} if isinstance(value, Mapping) else None


def _write_tool(tool: Body) -> dict[str, Any]:
    if tool.get("type") != "function":
        return dict(tool)
    names = "name parameters strict type allowed_callers async defer_loading description output_schema"
    return _write_nulls(tool, names) or {}


def _write_text(text: Any) -> dict[str, Any] | None:
    if not isinstance(text, Mapping):
        return None
    form = text.get("format")
    if isinstance(form, Mapping) and form.get("type") == "json_schema":
        form = _write_nulls(form, "name schema type description strict")
    return {"format": form, "verbosity": text.get("verbosity")}
