"""The chat plane's paths in the OpenAPI schema, from the same types that parse its requests."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from chat.endpoints import (
    CANCEL_PATH,
    CHAT_PATH,
    CONTINUE_PATH,
    MESSAGES_PATH,
    MODEL_EVENTS_PATH,
    MODEL_PATH,
    MODELS_PATH,
    OPENAI_ENDPOINTS,
    REGENERATE_PATH,
    RESPONSE_CANCEL_PATH,
    RESPONSE_ITEMS_PATH,
    RESPONSE_PATH,
    STREAM_PATH,
    Endpoint,
)
from chat.form_parsing import FORM_TYPE
from chat.schemas import AnswerRequest, ChatRequest
from gateway.envelopes import is_anthropic
from gateway.openapi import ANTHROPIC_ERROR_RESPONSE, ERROR_RESPONSE, KEY_HEADERS
from modelops.serving.model_tasks import ModelTask

PLACE_HEADERS = {
    name: {"description": text, "schema": {"type": "string", "format": "uuid"}}
    for name, text in {
        "x-conversation-id": "Where the answer is stored; also of a failure after the message was stored.",
        "x-message-id": "The row of the answer: a failed one has `error_code` and `error_message`.",
    }.items()
}
"""Of answers that are stored."""

EVENT_STREAM = {"schema": {"type": "string", "description": "chat.completion.chunk events, then [DONE]"}}
OPENAI_BODY: dict[str, Any] = {
    "type": "object",
    "description": "OpenAI's request; fields that the gateway does not know pass through to the engine.",
    "properties": {
        "model": {"type": "string", "description": "A served name; empty or `current` for what is served."},
        "stream": {"type": "boolean"},
        "stream_options": {"type": "object"},
    },
    "additionalProperties": True,
}
AUDIO_BODY: dict[str, Any] = {
    "type": "object",
    "description": "OpenAI's request; fields that the gateway does not know pass through to the engine.",
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "model": {"type": "string", "description": "A served name; empty or `current` for what is served."},
        "stream": {"type": "boolean"},
    },
    "required": ["file"],
    "additionalProperties": True,
}
CHAT_ANSWER = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "conversation_id": {"type": ["string", "null"], "format": "uuid"},
        "message_id": {"type": ["string", "null"], "format": "uuid"},
        "model": {"type": "string"},
        "message": {
            "type": "object",
            "properties": {"role": {"type": "string"}, "content": {"type": "string"}},
        },
        "finish_reason": {"type": "string"},
        "usage": {"type": ["object", "null"]},
        "omitted_messages": {"type": "integer", "description": "That the prompt left out (`truncation`)."},
        "request_id": {"type": "string"},
    },
}
NAMED_BY_THE_PATH = ("conversation_id", "messages", "store")
"""Fields of a chat that a message to a conversation does not have."""

TEXT_PARAMETERS = frozenset({"model_id", "response_id"})

MODEL_CARD = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "object": {"type": "string"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
        "max_model_len": {"type": ["integer", "null"]},
        "parent": {
            "type": "string",
            "description": "The model that an adapter is for, or an alias stands for.",
        },
        "tasks": {
            "type": "array",
            "items": {"type": "string", "enum": [str(task) for task in ModelTask]},
            "description": "What it can be asked for; absent where that is not known.",
        },
    },
}


def add_chat_paths(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """A drf-spectacular hook."""
    _roots, components = msgspec.json.schema_components(
        [ChatRequest, AnswerRequest], ref_template="#/components/schemas/{name}"
    )
    schemas = result["components"]["schemas"]
    schemas.update(components)
    schemas.update(MessageRequest=_without(schemas["ChatRequest"], *NAMED_BY_THE_PATH))
    schemas.update(ChatAnswer=CHAT_ANSWER, ModelCard=MODEL_CARD, OpenAIRequest=OPENAI_BODY)
    schemas.update(AudioRequest=AUDIO_BODY)
    result["paths"].update(
        {
            CHAT_PATH: _post(
                "chat", "Ask, and keep the conversation", "ChatRequest", _ref("ChatAnswer"), stream=True
            ),
            **{endpoint.path: _post_to_engine(endpoint) for endpoint in OPENAI_ENDPOINTS},
            MODELS_PATH: _get(
                "The served models",
                {"type": "object", "properties": {"data": {"type": "array", "items": _ref("ModelCard")}}},
            ),
            _plain(MODEL_PATH): _get("One served model", _ref("ModelCard"), ["model_id"]),
            **_RESPONSE_PATHS,
            MODEL_EVENTS_PATH: {"get": _MODEL_EVENTS},
            _plain(CANCEL_PATH): {
                "post": {
                    "operationId": "cancel_message",
                    "tags": ["chat"],
                    "summary": "Stop an answer",
                    "parameters": [_parameter("conversation_id"), _parameter("message_id")],
                    "responses": _responses({"type": "object"}, status="202"),
                }
            },
        }
    )
    result["paths"][_plain(STREAM_PATH)] = {"get": _ANSWER_STREAM}
    for path, operation in _CONVERSATION_PATHS.items():
        result["paths"].setdefault(_plain(path), {}).update(operation)  # Django answers GET of the same
    for path, operations in result["paths"].items():
        if path.startswith("/v1/"):
            for operation in operations.values():
                operation["security"] = [{"bearer": []}, *({name: []} for name in KEY_HEADERS)]
    return result


def _without(schema: dict[str, Any], *names: str) -> dict[str, Any]:
    """The schema of an object that does not have these fields."""
    properties = {name: kind for name, kind in schema["properties"].items() if name not in names}
    return schema | {"title": "MessageRequest", "description": "As ChatRequest.", "properties": properties}


def _plain(path: str) -> str:
    """A route's path without the types of its parameters, as OpenAPI writes it."""
    return re.sub(r":[a-z]+}", "}", path)


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string"} if name in TEXT_PARAMETERS else {"type": "string", "format": "uuid"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _responses(schema: dict[str, Any], *, status: str = "200", stream: bool = False) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if stream:
        content["text/event-stream"] = EVENT_STREAM
    return {status: {"description": "", "content": content}, "default": ERROR_RESPONSE}


_MODEL_EVENTS: dict[str, Any] = {
    "operationId": "model_events",
    "tags": ["models"],
    "summary": "What happens to models, as it happens",
    "description": (
        "Server-sent events: first `status`, the present state in the fields of /api/models/status, then one "
        "for each thing that happens (`state`, `progress`, `note`). With Last-Event-ID those that were "
        "missed come first, and no `status`. Messages, and all but the plain figures of `data`, are for "
        "admins."
    ),
    "parameters": [
        {"name": "switch", "in": "query", "schema": {"type": "string", "format": "uuid"}},
        {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer"}},
    ],
    "responses": {
        "200": {"description": "", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
        "default": ERROR_RESPONSE,
    },
}


_ANSWER_STREAM: dict[str, Any] = {
    "operationId": "resume_answer",
    "tags": ["chat"],
    "summary": "Come back to the stream of an answer",
    "description": (
        "The events of a stored stream have ids. With the last one as Last-Event-ID the answer goes on after "
        "it, also from another process and after its end, else from the beginning. Each event "
        "may hold more text than one of the first stream. After the text come `finish_reason` and usage, or "
        "one `error` event, then [DONE]."
    ),
    "parameters": [
        _parameter("conversation_id"),
        _parameter("message_id"),
        {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}},
    ],
    "responses": {
        "200": {"description": "", "content": {"text/event-stream": EVENT_STREAM}},
        "default": ERROR_RESPONSE,
    },
}


def _name_place(responses: dict[str, Any]) -> dict[str, Any]:
    """The responses, with the headers that name where the answer is stored."""
    return {status: {**response, "headers": PLACE_HEADERS} for status, response in responses.items()}


def _post(tag: str, summary: str, body: str, answer: dict[str, Any], *, stream: bool) -> dict[str, Any]:
    responses = _responses(answer, stream=stream)
    return {
        "post": {
            "operationId": summary.lower().replace(" ", "_").replace("'", "").replace(",", ""),
            "tags": [tag],
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(body)}}},
            "responses": _name_place(responses) if tag == "chat" else responses,
        }
    }


def _post_to_message(path: str, operation_id: str, summary: str, body: str) -> dict[str, Any]:
    names = re.findall(r"{([a-z_]+)", path)
    operation = _post("chat", summary, body, _ref("ChatAnswer"), stream=True)["post"]
    operation |= {"operationId": operation_id, "parameters": [_parameter(name) for name in names]}
    operation["requestBody"]["required"] = body == "MessageRequest"
    return {"post": operation}


_CONVERSATION_PATHS = {
    MESSAGES_PATH: _post_to_message(
        MESSAGES_PATH, "create_message", "Go on with a conversation", "MessageRequest"
    ),
    REGENERATE_PATH: _post_to_message(
        REGENERATE_PATH,
        "regenerate_message",
        "Another answer beside this one, or an answer to this question",
        "AnswerRequest",
    ),
    CONTINUE_PATH: _post_to_message(
        CONTINUE_PATH, "continue_message", "Go on with an answer that was cut", "AnswerRequest"
    ),
}


def _post_to_engine(endpoint: Endpoint) -> dict[str, Any]:
    answer = {"type": "object"}
    operation = _post(endpoint.tag, endpoint.summary, "OpenAIRequest", answer, stream=endpoint.can_stream)
    if is_anthropic(endpoint.path):
        operation["post"]["responses"]["default"] = ANTHROPIC_ERROR_RESPONSE
    if endpoint.is_form:
        operation["post"]["requestBody"]["content"] = {FORM_TYPE: {"schema": _ref("AudioRequest")}}
    return operation


def _get(summary: str, schema: dict[str, Any], parameters: list[str] | None = None) -> dict[str, Any]:
    return {
        "get": {
            "operationId": summary.lower().replace(" ", "_"),
            "tags": ["openai"],
            "summary": summary,
            "parameters": [_parameter(name) for name in parameters or []],
            "responses": _responses(schema),
        }
    }


def _on_response(operation_id: str, summary: str) -> dict[str, Any]:
    return {
        "operationId": operation_id,
        "tags": ["openai"],
        "summary": summary,
        "parameters": [_parameter("response_id")],
        "responses": _responses({"type": "object"}),
    }


_RESPONSE_PATHS: dict[str, Any] = {
    RESPONSE_PATH: {
        "get": _on_response("get_response", "A stored response"),
        "delete": _on_response("delete_response", "Delete a stored response"),
    },
    RESPONSE_CANCEL_PATH: {"post": _on_response("cancel_response", "Stop a response that is generated")},
    RESPONSE_ITEMS_PATH: {"get": _on_response("list_response_items", "What a stored response was asked")},
}
